"""Interfaces of the network namespace that this process is in, set up by ioctl.

Unlike a netlink socket, the one that this takes is gone when it is closed: nothing of it is to be seen in there afterwards.
"""

import fcntl
import struct
import sys

import _socket

# 240.0.0.1: the router, as sandboxes see it. Nothing outside has such addresses, so none of them hides anything.
ROUTER = bytes([240, 0, 0, 1])
_NETMASK = bytes([255, 0, 0, 0])

_SIOCADDRT = 0x890B
_SIOCSIFFLAGS = 0x8914
_SIOCSIFADDR = 0x8916
_SIOCSIFNETMASK = 0x891C
_UP, _RUNNING, _NOARP = 0x1, 0x40, 0x80
_RTF_UP_GATEWAY = 3


def _request(name, value):
    """struct ifreq: the name in 16 bytes, what is asked for, and the rest of a union."""
    return name.ljust(16, b'\0') + value.ljust(24, b'\0')


def _flags(value):
    return value.to_bytes(2, sys.byteorder)


def _socket_address(address=bytes(4)):
    """struct sockaddr_in, without a port."""
    return struct.pack('=HH4s8x', _socket.AF_INET, 0, address)


def _default_route(gateway):
    """struct rtentry: destination, gateway and mask among much that is not used any more."""
    addresses = _socket_address() + _socket_address(gateway) + _socket_address()
    return bytes(8) + addresses + struct.pack('=H62x', _RTF_UP_GATEWAY)


_LOOPBACK_UP = _request(b'lo', _flags(_UP | _RUNNING))
_ETHERNET_MASK = _request(b'eth0', _socket_address(_NETMASK))
_ETHERNET_UP = _request(b'eth0', _flags(_UP | _RUNNING | _NOARP))
_DEFAULT_ROUTE = _default_route(ROUTER)


def loopback_up():
    _ask((_SIOCSIFFLAGS, _LOOPBACK_UP))


def ethernet_up(address):
    """`eth0` gets this address, four bytes, and the router is behind it."""
    _ask(
        (_SIOCSIFADDR, _request(b'eth0', _socket_address(address))),
        (_SIOCSIFNETMASK, _ETHERNET_MASK),
        (_SIOCSIFFLAGS, _ETHERNET_UP),
        (_SIOCADDRT, _DEFAULT_ROUTE),
    )


def _ask(*requests):
    any_socket = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM)
    try:
        for number, argument in requests:
            fcntl.ioctl(any_socket, number, argument)
    finally:
        any_socket.close()
