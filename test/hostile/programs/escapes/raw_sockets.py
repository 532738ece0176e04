import fcntl
import socket

import tries

RAW = {
    'icmp': (socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP),
    'tcp': (socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP),
    'icmp6': (socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6),
    'packet': (socket.AF_PACKET, socket.SOCK_RAW, 0x300),
    'old packet': (socket.AF_INET, 10, 0x300),
}
FAMILIES = {'key': 15, 'rds': 21, 'can': 29, 'tipc': 30, 'bluetooth': 31, 'alg': 38, 'vsock': 40, 'kcm': 41, 'xdp': 44}
NETLINK = {'netfilter': 12, 'audit': 9, 'uevents': 15, 'generic': 16, 'xfrm': 6, 'connector': 11}
SIOCSIFFLAGS, SIOCSIFADDR = 0x8914, 0x8916


def change_loopback(request):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, request, b'lo'.ljust(40, b'\0'))


def handler(event):
    """Packets of our own making, kinds of sockets that nobody needs, and changes to the network."""
    kinds = {
        **RAW,
        **{name: (family, socket.SOCK_DGRAM, 0) for name, family in FAMILIES.items()},
        **{f'netlink {name}': (socket.AF_NETLINK, socket.SOCK_RAW, kind) for name, kind in NETLINK.items()},
    }
    return tries.outcomes({
        **{name: lambda kind=kind: socket.socket(*kind).fileno() for name, kind in kinds.items()},
        'interface down': lambda: change_loopback(SIOCSIFFLAGS),
        'other address': lambda: change_loopback(SIOCSIFADDR),
    })
