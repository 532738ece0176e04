"""What must not be the same in two forks of one interpreter, and is not made new by Python itself.

`random` is seeded again by a hook of Python's own, OpenSSL by itself when its process id has changed, and `uuid4`, `secrets`
and `os.urandom` ask the kernel.
"""

import os
import sys


def _forget_uuid1(uuid):
    """libuuid keeps node, sequence and last time in memory of its own, which a fork copies: two sandboxes that ask in the same 100 ns
    would get one UUID. Without it Python makes them itself, here with a random node (RFC 9562, section 6.10: the multicast bit set)."""
    uuid._generate_time_safe = None
    uuid._node = int.from_bytes(os.urandom(6), 'big') | 1 << 40
    uuid._last_timestamp = None


# By the names of modules: what makes one new that is loaded.
_RENEWALS = {'numpy.random': lambda module: module.seed(), 'uuid': _forget_uuid1}


def is_needed():
    """Whether `make_fresh` has anything to do."""
    return not sys.modules.keys().isdisjoint(_RENEWALS)


def make_fresh():
    """In a sandbox that has just been forked: from here on its numbers are its own."""
    for name, renew in _RENEWALS.items():
        module = sys.modules.get(name)
        if module is not None:
            renew(module)
