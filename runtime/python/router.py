"""Makes the router: a network namespace of the worker's own, joined to the machine by one pair of links.

The sandboxes are linked to it (`links.py`), and its rules, which the worker has written, say what they may reach. All that is made
here goes with the last process in that namespace.
"""

import os
import socket

import control
import interfaces
import kernel
import netlink

_UPLINK = b'uplink'
_UPLINK_INDEX = 2
_LOOPBACK_INDEX = 1
_NAMESPACE = '/proc/self/ns/net'
_DNS_PORT = 53
_BACKLOG = 64

# Of the router: forwards, believes no source address that has another way back, and has no IPv6.
_ROUTER_SETTINGS = (
    ('ipv4/ip_forward', b'1'),
    ('ipv4/conf/all/rp_filter', b'1'),
    ('ipv4/conf/all/accept_redirects', b'0'),
    ('ipv4/conf/all/send_redirects', b'0'),
    ('ipv4/conf/default/accept_redirects', b'0'),
    ('ipv4/conf/default/send_redirects', b'0'),
    ('ipv6/conf/all/disable_ipv6', b'1'),
    ('ipv6/conf/default/disable_ipv6', b'1'),
    # What is refused is told each time.
    ('ipv4/icmp_ratelimit', b'0'),
    # What is silent for an hour is forgotten; a connection that goes on after that is taken for a new one, and works.
    ('netfilter/nf_conntrack_tcp_timeout_established', b'3600'),
)
# Of the machine's end.
_UPLINK_SETTINGS = (
    ('ipv4/conf/{}/rp_filter', b'1'),
    ('ipv4/conf/{}/accept_redirects', b'0'),
    ('ipv4/conf/{}/send_redirects', b'0'),
    ('ipv6/conf/{}/disable_ipv6', b'1'),
)


class Router:
    def __init__(self, settings):
        """`settings`: the link's name on the machine, its two addresses, the rules, and the path of nft."""
        # For the resolver, which is a process of the machine.
        self.root = os.open('/', os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self.machine = os.open(_NAMESPACE, os.O_RDONLY | os.O_CLOEXEC)
        kernel.unshare(kernel.CLONE_NEWNET)
        self._router = os.open(_NAMESPACE, os.O_RDONLY | os.O_CLOEXEC)
        for path, value in _ROUTER_SETTINGS:
            set_if_there(path, value)
        load_rules(settings['nft'], settings['rules'])
        kernel.set_namespace(self.machine, kernel.CLONE_NEWNET)
        self._join_machine(settings)
        kernel.set_namespace(self._router, kernel.CLONE_NEWNET)
        self._join_uplink(settings)
        os.close(self._router)
        self.listeners = listen()

    def _join_machine(self, settings):
        name = settings['link'].encode()
        connection = netlink.open_here()
        try:
            netlink.ask(connection, [netlink.remove(name)])  # of an earlier router, which is on its way out
        except OSError:
            pass  # there is none, and the next step fails where there is still one
        netlink.ask(connection, [netlink.make_pair(name, 0, _UPLINK, 0, self._router, up=False)])
        for path, value in _UPLINK_SETTINGS:
            set_if_there(path.format(settings['link']), value)
        index = socket.if_nametoindex(settings['link'])
        address = socket.inet_aton(settings['machine_address'])
        netlink.ask(connection, [netlink.bring_up(index), netlink.add_address(index, address, 30)])
        connection.close()

    def _join_uplink(self, settings):
        connection = netlink.open_here()
        uplink = socket.if_nametoindex(_UPLINK.decode())
        address = socket.inet_aton(settings['router_address'])
        gateway = socket.inet_aton(settings['machine_address'])
        netlink.ask(
            connection,
            [
                netlink.bring_up(_LOOPBACK_INDEX),
                netlink.add_address(_LOOPBACK_INDEX, interfaces.ROUTER),
                netlink.bring_up(uplink),
                netlink.add_address(uplink, address, 30),
                netlink.add_default_route(uplink, gateway),
            ],
        )
        connection.close()


def set_if_there(path, value):
    """Not every kernel has IPv6, nor every setting."""
    path = f'/proc/sys/net/{path}'
    if os.path.exists(path):
        with open(path, 'wb', buffering=0) as file:
            file.write(value)


def load_rules(nft, rules):
    text = os.memfd_create('rules')
    os.write(text, rules.encode())
    os.lseek(text, 0, os.SEEK_SET)
    actions = [(os.POSIX_SPAWN_DUP2, text, 0), (os.POSIX_SPAWN_DUP2, 2, 1)]
    closed = [(os.POSIX_SPAWN_CLOSE, fd) for fd in (control.CONTROL_FD, control.EVENTS_FD)]
    pid = os.posix_spawn(nft, [nft, '-f', '-'], {}, file_actions=[*actions, *closed])
    os.close(text)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if status != 0:
        raise OSError(0, f'{nft} has refused the rules of the router (status {status})')


def listen():
    """Where sandboxes ask for names: sockets of the router, whoever reads from them."""
    address = socket.inet_ntoa(interfaces.ROUTER), _DNS_PORT
    datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    datagrams.bind(address)
    streams = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    streams.bind(address)
    streams.listen(_BACKLOG)
    for listener in (datagrams, streams):
        listener.setblocking(False)
    return datagrams, streams
