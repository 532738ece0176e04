"""Pages that a sandbox reads and writes, brought in by a spare while it waits and not by the call that it is for.

A child shares all pages with its zygote until it writes to one: then the kernel copies it, which takes some us each time. A
call writes to 300 pages, one of a function with packages to a thousand and more, if only to count references, and to much the
same ones as the call before. The worker finds out which (`src/sandbox/sock/hot-pages.ts`), and tells the zygote. Nor is any
page of a file mapped in a child: which ones it needs, of the interpreter above all, a child of the root zygote finds out.

All room for it is taken at the start. What a zygote allocated when it learns would move what its children allocate, and so the
pages that they write to.
"""

import ctypes
import os
import re
import struct

import kernel
import plan

_MADV_POPULATE_READ = 22  # Linux 5.14
_MADV_POPULATE_WRITE = 23
_MAX_RANGES = 2048
_RANGE = struct.Struct('QQ')
_PAGE = 4096
_ENTRY = struct.Struct('Q')
_PRESENT = 1 << 63
# A few pages that are not needed cost less than another system call.
_MAX_GAP = 8
# A file that is mapped, and not to be written to.
_FILE_AREA = re.compile(r'([0-9a-f]+)-([0-9a-f]+) r-.p \S+ \S+ [1-9]')

_madvise = kernel.function('madvise', ctypes.c_int, ctypes.c_size_t, ctypes.c_size_t, ctypes.c_int)


class HotPages:
    """A program that brings them in, and goes on with another one. It is made of hints: what is not there is passed over."""

    def __init__(self):
        self._hints = plan.Hints('madvise', _MAX_RANGES)
        self.first = self._hints.first
        # How many hints are for reading, and how many there are.
        self._read_count = self._count = 0
        self._next = None
        # Nothing at address 0 and of no length: an error means that the kernel does not know how.
        self._is_known = _madvise(0, 0, _MADV_POPULATE_WRITE) == 0

    def go_on_with(self, program):
        """That comes next."""
        self._next = program
        self._hints.go_on(self._count, program)

    def read_files(self, rehearse):
        """Spares are to map the pages of files that a child maps which rehearses."""
        if not self._is_known:
            return
        for address, length in _RANGE.iter_unpack(said_by_child(lambda: pack_file_pages(rehearse))):
            self._hints.put(self._count, address, length, _MADV_POPULATE_READ)
            self._count += 1
        self._read_count = self._count
        self._hints.go_on(self._count, self._next)

    def learn(self, fd):
        """The file has pairs of an address and a length, 64 bits each. Spares are to copy those pages, and no others."""
        if not self._is_known:
            return
        self._count = self._read_count
        found = os.pread(fd, (_MAX_RANGES - self._count) * _RANGE.size, 0)
        for address, length in _RANGE.iter_unpack(found):
            self._hints.put(self._count, address, length, _MADV_POPULATE_WRITE)
            self._count += 1
        self._hints.go_on(self._count, self._next)


def said_by_child(what):
    """The bytes that a forked child makes; none where it fails."""
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            with open(write_end, 'wb') as pipe:
                pipe.write(what())
        finally:
            os._exit(0)
    os.close(write_end)
    with open(read_end, 'rb') as pipe:
        said = pipe.read()
    os.waitpid(pid, 0)
    return said


def pack_file_pages(rehearse):
    rehearse()
    return b''.join(_RANGE.pack(*stretch) for stretch in mapped_file_pages())


def mapped_file_pages():
    """Address and length of each stretch of them, a few gaps included."""
    with open('/proc/self/maps') as maps:
        areas = [tuple(int(edge, 16) for edge in match.groups()) for match in map(_FILE_AREA.match, maps) if match]
    with open('/proc/self/pagemap', 'rb') as table:
        for start, end in areas:
            table.seek(start // _PAGE * _ENTRY.size)
            entries = table.read((end - start) // _PAGE * _ENTRY.size)
            present = [index for index, (entry,) in enumerate(_ENTRY.iter_unpack(entries)) if entry & _PRESENT]
            for first, last in stretches(present):
                yield start + first * _PAGE, (last + 1 - first) * _PAGE


def stretches(numbers):
    """First and last of each run of these, which are in order; runs that are close together are one."""
    run = None
    for number in numbers:
        if run is not None and number - run[1] <= _MAX_GAP:
            run[1] = number
            continue
        if run is not None:
            yield run
        run = [number, number]
    if run is not None:
        yield run
