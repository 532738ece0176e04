"""Links, addresses and routes of a network namespace, asked of the kernel as `ip` does (rtnetlink).

A socket belongs to the network namespace that it was made in, whichever one its process is in later.
"""

import os
import struct
import sys

import _socket

# What both ends of every pair have: so each takes what the other sends, and nobody has to ask for an address by ARP.
_MAC = b'\x02\x00\x00\x00\x00\x01'

_RTM_NEWLINK, _RTM_DELLINK = 16, 17
_RTM_NEWADDR = 20
_RTM_NEWROUTE, _RTM_DELROUTE = 24, 25
_NLMSG_ERROR = 2
_REQUEST, _ACK, _EXCLUSIVE, _CREATE = 0x1, 0x4, 0x200, 0x400

_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_MTU, _IFLA_LINKINFO, _IFLA_NET_NS_FD = 1, 3, 4, 18, 28
_IFLA_NUM_TX_QUEUES, _IFLA_NUM_RX_QUEUES = 31, 32
_IFLA_INFO_KIND, _IFLA_INFO_DATA = 1, 2
_VETH_INFO_PEER = 1
_IFA_ADDRESS, _IFA_LOCAL = 1, 2
_RTA_DST, _RTA_OIF, _RTA_GATEWAY = 1, 4, 5

_UP, _NOARP = 0x1, 0x80
_TABLE_MAIN, _PROTOCOL_STATIC, _UNICAST = 254, 4, 1
_SCOPE_UNIVERSE, _SCOPE_LINK = 0, 253

_HEADER = struct.Struct('=IHHII')
_ATTRIBUTE = struct.Struct('=HH')
_LINK = struct.Struct('=BxHiII')
_ADDRESS = struct.Struct('=BBBBI')
_ROUTE = struct.Struct('=BBBBBBBBI')
_ERROR = struct.Struct('=i')


def open_here():
    """A socket that speaks of the network namespace that this process is in now."""
    return _socket.socket(_socket.AF_NETLINK, _socket.SOCK_RAW | _socket.SOCK_CLOEXEC, 0)


def ask(connection, messages):
    """Has all of these done, in their order. Raises OSError for the first that fails."""
    last = len(messages)
    sent = b''
    for number, (kind, flags, body) in enumerate(messages, 1):
        flags |= _REQUEST | (_ACK if number == last else 0)  # what fails is told of unasked
        sent += _HEADER.pack(_HEADER.size + len(body), kind, flags, number, 0) + body
    connection.send(sent)
    failed = number = 0
    while number < last:
        answer = connection.recv(4096)
        number = _HEADER.unpack_from(answer)[3]
        failed = failed or -_ERROR.unpack_from(answer, _HEADER.size)[0]
    if failed:
        raise OSError(failed, f'rtnetlink: {os.strerror(failed)}')


def make_pair(name, index, peer_name, peer_index, peer_namespace, up=True, mtu=1500):
    """A pair of virtual Ethernet links: one here, its peer, which is down still, in the namespace that is open there.

    An index of 0 leaves the choice to the kernel; it is either both or none.
    """
    flags = _UP | _NOARP if up else _NOARP
    size = _number(_IFLA_MTU, mtu)
    there = _number(_IFLA_NET_NS_FD, peer_namespace)
    peer = _link(peer_index, _NOARP, _NOARP) + _named(peer_name) + _ONE_QUEUE + size + there
    info = _attribute(_IFLA_INFO_KIND, b'veth') + _attribute(_IFLA_INFO_DATA, _attribute(_VETH_INFO_PEER, peer))
    body = _link(index, flags, flags) + _named(name) + _ONE_QUEUE + size + _attribute(_IFLA_LINKINFO, info)
    return _RTM_NEWLINK, _CREATE | _EXCLUSIVE, body


def bring_up(index):
    return _RTM_NEWLINK, 0, _link(index, _UP, _UP)


def remove(name):
    """Removes a link, and its peer with it."""
    return _RTM_DELLINK, 0, _link(0, 0, 0) + _attribute(_IFLA_IFNAME, name + b'\0')


def add_address(index, address, prefix=32):
    """`address` is four bytes."""
    body = _ADDRESS.pack(_socket.AF_INET, prefix, 0, _SCOPE_UNIVERSE, index)
    body += _attribute(_IFA_LOCAL, address) + _attribute(_IFA_ADDRESS, address)
    return _RTM_NEWADDR, _CREATE | _EXCLUSIVE, body


def add_route(index, address):
    """This one address is on that link."""
    return _RTM_NEWROUTE, _CREATE | _EXCLUSIVE, _route_to(index, address)


def remove_route(index, address):
    return _RTM_DELROUTE, 0, _route_to(index, address)


def add_default_route(index, gateway):
    body = _route(0, _SCOPE_UNIVERSE) + _attribute(_RTA_GATEWAY, gateway) + _out_of(index)
    return _RTM_NEWROUTE, _CREATE | _EXCLUSIVE, body


def _route_to(index, address):
    return _route(32, _SCOPE_LINK) + _attribute(_RTA_DST, address) + _out_of(index)


def _route(prefix, scope):
    return _ROUTE.pack(_socket.AF_INET, prefix, 0, 0, _TABLE_MAIN, _PROTOCOL_STATIC, scope, _UNICAST, 0)


def _out_of(index):
    return _number(_RTA_OIF, index)


def _link(index, flags, changed):
    return _LINK.pack(_socket.AF_UNSPEC, 0, index, flags, changed)


def _named(name):
    return _attribute(_IFLA_IFNAME, name + b'\0') + _attribute(_IFLA_ADDRESS, _MAC)


def _attribute(kind, value):
    size = _ATTRIBUTE.size + len(value)
    return _ATTRIBUTE.pack(size, kind) + value + bytes(-size % 4)


def _number(kind, value):
    return _attribute(kind, value.to_bytes(4, sys.byteorder))


# Unasked, the kernel makes one for each processor that there could be, and uses the first alone.
_ONE_QUEUE = _number(_IFLA_NUM_TX_QUEUES, 1) + _number(_IFLA_NUM_RX_QUEUES, 1)
