"""The links of sandboxes to the router, which is the network namespace that the root zygote starts in (`router.py`).

Each is a pair of virtual Ethernet links: `eth0` in the sandbox's namespace, and one in the router, with the only route to the
sandbox's address. What comes over it from another address is dropped there. So not even someone with power over a sandbox's
namespace can take the address of another one.

A link has a number, from which its address follows, and its index in the router. Numbers go round: what a dead sandbox has
asked for may still be on its way, and must not find another one at its address.
"""

import errno
import os

import interfaces
import kernel
import netlink

_FIRST, _LAST = 16, 2**24 - 2
# Each root zygote begins so much further on: those before it may have left sandboxes that live.
_APART = 2**20

_OWN = b'/proc/self/ns/net'
# One byte less than the least that IPv6 needs (RFC 8200): so the kernel keeps nothing of it for either end, no addresses, no
# settings, no counters, and sends nothing by itself. Writing to the setting that turns it off takes the longer the more
# network namespaces there are: /proc looks for each word of the path among those of all of them.
_MTU = 1279
# Of `eth0`: the loopback interface has 1.
_INDEX = 2
_ATTEMPTS = 16


class Links:
    def __init__(self, generation):
        """In the router. `generation` counts the root zygotes that it has had."""
        self._connection = netlink.open_here()
        self._router = os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)
        self._last = _FIRST + generation * _APART % (_LAST - _FIRST)
        self._numbers = {}  # pid -> number, of links that were made for others

    def connect(self):
        """Links the namespace that this process is in to the router. Returns the link's number."""
        for attempt in range(_ATTEMPTS):
            number = self._next()
            try:
                self._make(number)
                return number
            except FileExistsError:  # the one that had this number lives on; or there is an `eth0` here already
                if attempt == _ATTEMPTS - 1:
                    raise

    def connect_process(self, pid, pidfd):
        """The same for the namespace of a process, `pid` as we see it. We are in the router again afterwards."""
        try:
            kernel.set_namespace(pidfd, kernel.CLONE_NEWNET)
            self._numbers[pid] = self.connect()
        finally:
            kernel.set_namespace(self._router, kernel.CLONE_NEWNET)

    def forget(self, pid):
        """That process has ended. Who forked it may keep its namespace: nothing gets in or out there any more."""
        number = self._numbers.pop(pid, None)
        if number is None:
            return
        try:
            netlink.ask(self._connection, [netlink.remove_route(number, address_of(number))])
        except OSError as error:
            if error.errno not in (errno.ESRCH, errno.ENODEV):  # gone with the namespace, as it should be
                raise

    def _next(self):
        self._last = self._last + 1 if self._last < _LAST else _FIRST
        return self._last

    def _make(self, number):
        address = address_of(number)
        here = os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)
        try:
            pair = netlink.make_pair(b's%d' % number, number, b'eth0', _INDEX, here, mtu=_MTU)
            netlink.ask(self._connection, [pair, netlink.add_route(number, address)])
        finally:
            os.close(here)
        interfaces.ethernet_up(address)


def address_of(number):
    return ((240 << 24) + number).to_bytes(4, 'big')
