"""Pages that a sandbox writes to, copied by a spare while it waits and not by the call that it is for.

A child shares all pages with its zygote until it writes to one: then the kernel copies it, which takes some us each time. A
call writes to 200 pages, one of a function with packages to a thousand and more, if only to count references, and to much the
same ones as the call before. The worker finds out which (`src/sandbox/sock/hot-pages.ts`), and tells the zygote.

All room for it is taken at the start. What a zygote allocated when it learns would move what its children allocate, and so the
pages that they write to.
"""

import os
import struct

import mappings
import plan
import runner

_MAX_RANGES = 2048
_RANGE = struct.Struct('QQ')


class HotPages:
    """A program that copies them, and goes on with another one. It is made of hints: what is not there (any more) is passed over."""

    def __init__(self, room):
        """`room`: the arena of its calls."""
        self._hints = plan.Hints('madvise', _MAX_RANGES, room)
        self.first = self._hints.first
        self._count = 0
        self._next = None
        # Nothing at address 0 and of no length: an error means that the kernel does not know how.
        self._is_known = mappings.is_known(mappings.POPULATE_WRITE)

    def go_on_with(self, program):
        """That comes next."""
        self._next = program
        self._hints.go_on(self._count, program)

    @property
    def region(self):
        """Address and length of all that `learn` and `go_on_with` have changed."""
        return self._hints.first, (self._count + 1) * runner.CALL_BYTES

    def learn(self, fd):
        """The file has pairs of an address and a length, 64 bits each. Spares are to copy those pages, and no others."""
        if not self._is_known:
            return
        self._count = 0
        for address, length in _RANGE.iter_unpack(os.pread(fd, _MAX_RANGES * _RANGE.size, 0)):
            self._hints.put(self._count, address, length, mappings.POPULATE_WRITE)
            self._count += 1
        self._hints.go_on(self._count, self._next)
