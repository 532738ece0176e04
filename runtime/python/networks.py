"""The network namespaces of sandboxes: each has one of its own, with a loopback interface, and a link to the router
(`links.py`) where there is one.

Making one and taking it down costs the kernel as much as all the rest of a sandbox's namespaces four times over. So one
that was never used is used again, when its sandbox is gone: where no packet has passed its interface, no counter has moved
and no socket is left, there is nothing in it that the next sandbox could tell from a new one.

They belong to the zygote's user namespace: not even the capabilities that a sandbox has before it drops them all have any
power over them.
"""

import os

import interfaces
import kernel

# How many are kept for use. One that is lent is known by a descriptor, and each child has to close its copies of those:
# where more than so many are lent, the oldest are not known any more, and go with their sandboxes.
_FREE = 32
_LENT = 64

_OWN = b'/proc/self/ns/net'
# What one can tell a used one by: packets, errors before there was a packet, what lives on for a while.
_TRACES = (
    b'/proc/self/net/dev',
    b'/proc/self/net/snmp',
    b'/proc/self/net/snmp6',
    b'/proc/self/net/ip6_flowlabel',
)
# Its first line counts the namespace's own sockets; the rest is partly the machine's.
_SOCKETS = b'/proc/self/net/sockstat'
_TRACE_SIZE = 16384


class Networks:
    def __init__(self, links):
        """`links` makes links to the router; None for no router."""
        self._links = links
        self._free = []
        self._lent = {}  # sandbox id -> descriptor, oldest first
        self._paths = tuple(filter(os.path.exists, _TRACES))  # not all are there without IPv6
        self._unused = None  # the traces of one that nobody has used yet

    def lend(self, sandbox_id):
        """A descriptor of a namespace that nobody else has. This process may be in it afterwards."""
        network = self._free.pop() if self._free else self._make()
        self._lent[sandbox_id] = network
        if len(self._lent) > _LENT:
            os.close(self._lent.pop(next(iter(self._lent))))
        return network

    def lent(self, network):
        """The child is in it."""

    def give_back(self, sandbox_id):
        """Takes it back from a sandbox whose processes are all gone. Goes into it to look at it."""
        network = self._lent.pop(sandbox_id, None)
        if network is None:
            return
        if len(self._free) < _FREE and self._is_unused(network):
            self._free.append(network)
        else:
            os.close(network)

    def _is_unused(self, network):
        try:
            kernel.set_namespace(network, kernel.CLONE_NEWNET)
            return self._traces() == self._unused
        except OSError:
            return False  # no descriptor or memory is left to look at it: it is not used again

    def _make(self):
        kernel.unshare(kernel.CLONE_NEWNET)
        interfaces.loopback_up()
        if self._links is not None:
            self._links.connect()
        if self._unused is None:
            self._unused = self._traces()
        return os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)

    def _traces(self):
        return [_read(_SOCKETS).split(b'\n', 1)[0], *map(_read, self._paths)]


class Fresh:
    """The same for a package zygote, whose children are not its own to reap: what it has lent it does not get back.

    Nor has it power over the router: the root zygote makes those links, when the worker asks for them.
    """

    def lend(self, _sandbox_id):
        kernel.unshare(kernel.CLONE_NEWNET)
        interfaces.loopback_up()
        return os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)

    def lent(self, network):
        """It goes with its last process."""
        os.close(network)

    def give_back(self, _sandbox_id):
        """It is on its way."""


class Shared:
    """The network of the machine, which all sandboxes share where that was asked for."""

    def lend(self, _sandbox_id):
        """Everybody is in it."""
        return None

    def lent(self, _network):
        """Nothing is left to do."""

    def give_back(self, _sandbox_id):
        """It stays."""


def _read(path):
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(file, _TRACE_SIZE)
    finally:
        os.close(file)
