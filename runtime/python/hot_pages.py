"""Pages of a package zygote that its sandboxes write to, copied by a spare while it waits and not by the call that it is for.

A child shares all pages with its zygote until it writes to one: then the kernel copies it, which takes some us each time. A
call of a function with packages writes to a thousand and more, if only to count references, and to much the same ones as the
call before. The worker finds out which (`src/sandbox/sock/hot-pages.ts`), and tells the zygote.
"""

import ctypes
import os
import struct

import kernel

_MADV_POPULATE_WRITE = 23  # Linux 5.14
_MAX_BYTES = 64 * 1024

_madvise = kernel.function('madvise', ctypes.c_int, ctypes.c_size_t, ctypes.c_size_t, ctypes.c_int)


class HotPages:
    def __init__(self):
        self._ranges = ()

    def learn(self, fd):
        """The file has pairs of an address and a length, 64 bits each. Spares are to copy those pages."""
        found = os.pread(fd, _MAX_BYTES, 0)
        # Nothing at address 0 and of no length: an error means that the kernel does not know how.
        is_known = _madvise(0, 0, _MADV_POPULATE_WRITE) == 0
        self._ranges = tuple(struct.iter_unpack('QQ', found)) if is_known else ()

    def add_copying(self, steps):
        """Adds it to a plan. It is no more than a hint: what is not there (any more) is passed over."""
        for address, length in self._ranges:
            steps.hint('madvise', address, length, _MADV_POPULATE_WRITE)
