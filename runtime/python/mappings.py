"""Memory mappings of this process: the system calls, and what there is. Each call raises OSError on failure."""

import ctypes
import os

import kernel

PAGE_BYTES = os.sysconf('SC_PAGE_SIZE')

NONE, READ, WRITE, EXECUTE = 0, 1, 2, 4
SHARED, PRIVATE, FIXED_PLACE, ANONYMOUS = 1, 2, 16, 32
MAY_MOVE, FIXED = 1, 2
RANDOM = 1
POPULATE_READ, POPULATE_WRITE = 22, 23  # Linux 5.14

_int, _long, _size, _address = ctypes.c_int, ctypes.c_long, ctypes.c_size_t, ctypes.c_void_p

_mmap = kernel.function('mmap', _address, _size, _size, _int, _int, _int, _long)
_mprotect = kernel.function('mprotect', _int, _size, _size, _int)
_madvise = kernel.function('madvise', _int, _size, _size, _int)
_FAILED = ctypes.c_void_p(-1).value


def make(length, protection, flags, fd=-1, offset=0):
    """The address of a new mapping."""
    return _checked(_mmap(0, length, protection, flags, fd, offset), 'mmap')


def make_apart(length):
    """The address of new memory that the kernel joins with no other mapping: it is that of a file."""
    file = os.memfd_create('apart', os.MFD_CLOEXEC)
    try:
        os.ftruncate(file, length)
        return make(length, READ | WRITE, PRIVATE, file)
    finally:
        os.close(file)


def protect(address, length, protection):
    _checked(_mprotect(address, length, protection), 'mprotect')


def advise(address, length, advice):
    _checked(_madvise(address, length, advice), 'madvise')


def is_known(advice):
    """Whether the kernel knows it: asked for nothing at address 0."""
    return _madvise(0, 0, advice) == 0


def _checked(result, call):
    if result in (-1, _FAILED):
        errno = ctypes.get_errno()
        raise OSError(errno, f'{call}: {os.strerror(errno)}')
    return result


class Mapping:
    """One line of /proc/self/maps."""

    def __init__(self, line):
        area, self.permissions, _offset, _device, _inode, *name = line.split(None, 5)
        self.start, self.end = (int(address, 16) for address in area.split('-'))
        self.name = name[0].rstrip() if name else ''

    @property
    def length(self):
        return self.end - self.start


def of(process):
    """All of a process: its pid, or `self`."""
    with open(f'/proc/{process}/maps') as file:
        return [Mapping(line) for line in file]
