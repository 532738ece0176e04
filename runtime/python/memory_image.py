"""The memory of a zygote as a file, so that its children can give back pages that they have written to.

A child shares the pages of its zygote until it writes to them, and there is no way back: a page that was copied stays a copy, though
many differ for no longer than a call takes (an interpreter that looks at an object counts a reference to it, and then one less). So
the zygote puts private mappings of a file that has its memory's content in the place of its memory. A page of such a mapping
can be dropped: what is read there next is the file's. A child that has no call drops all that are as they are in the file.

Nothing may be written to a page between the look at it and its end, and Python writes to pages wherever it looks. So both are done by
machine code (`give_back.py`), with signals blocked, and only where no other thread or process has the same memory. What else could
write is a kernel that has been asked to read from a disk meanwhile (`io_submit`), into memory that nobody has written to since it was
forked: a call that is answered while such a read is under way must not count on it.
"""

import ctypes
import os
import traceback

import give_back
import kernel
import machine_code
import mappings
import plan
import runner

_give_back = machine_code.function(give_back.CODE, ctypes.c_long, ctypes.c_void_p)
_PAGE_BYTES_OF_CODE = 4096
_PAGE_MAP = ctypes.create_string_buffer(b'/proc/self/pagemap')
_ALL_SIGNALS = -1
_MFD_NOEXEC_SEAL = 8
_LEAST_BYTES = 512 * 1024


class MemoryImage:
    """What this process has in its memory, as a file which nobody can write to any more."""

    def __init__(self):
        """Call it when all is there that is to be shared."""
        areas = [area for area in mappings.all_there_are() if is_movable(area)]
        pieces = list(pieces_of(areas))
        length = sum(area.length for area in areas)
        file, readable = open_file()
        os.ftruncate(file, length)
        shared = mappings.make(length, mappings.READ, mappings.SHARED, readable)
        words = [shared, length, len(pieces), ctypes.addressof(_PAGE_MAP), _ALL_SIGNALS, *sum(pieces, ())]
        self._table = (ctypes.c_int64 * len(words))(*words)
        self._address = ctypes.addressof(self._table)
        take_places(areas, file, readable)
        os.close(file)
        os.close(readable)

    def give_back(self):
        """Drops all pages that are what they were. Returns how many."""
        return _give_back(self._address)


def make():
    """That of this process; None where there can be none: memory is as it was then, and nothing is given back."""
    if _give_back is None or not runner.is_native() or mappings.PAGE_BYTES != _PAGE_BYTES_OF_CODE:
        return None
    try:
        return MemoryImage()
    except OSError:
        traceback.print_exc()
        return None


def open_file():
    """An anonymous file, and a second descriptor of it that is only for reading: what is mapped from that can't be made writable."""
    try:
        file = os.memfd_create('zygote', os.MFD_CLOEXEC | _MFD_NOEXEC_SEAL)
    except OSError:
        file = os.memfd_create('zygote', os.MFD_CLOEXEC)  # before Linux 6.3
    return file, os.open(f'/proc/self/fd/{file}', os.O_RDONLY | os.O_CLOEXEC)


def is_movable(area):
    """Not the stack, which is in use, nor where the C library has what it knows of this thread, which the kernel writes to. Not what is
    small, as the data of most libraries: each mapping of the image is one more that all forks and ends have to be listed in."""
    if area.permissions != 'rw-p' or area.length < _LEAST_BYTES or (area.name.startswith('[') and area.name != '[heap]'):
        return False
    return not area.start <= kernel.thread_id_address() < area.end


def pieces_of(areas):
    """(address, pages, place in the image) of each part that is given back at once."""
    place = 0
    for area in areas:
        pages = area.length // mappings.PAGE_BYTES
        for page in range(0, pages, give_back.PAGES_AT_ONCE):
            offset = page * mappings.PAGE_BYTES
            yield area.start + offset, min(give_back.PAGES_AT_ONCE, pages - page), place + offset
        place += area.length


def take_places(areas, file, readable):
    """Puts mappings of the file in the place of these areas, with their content."""
    steps = plan.Plan()
    steps.step('image')
    place = 0
    for area in areas:
        made = mappings.make(area.length, mappings.READ | mappings.WRITE, mappings.PRIVATE, readable, place)
        steps.call('write', file, area.start, area.length, least=area.length)
        steps.call('mremap', made, area.length, area.length, mappings.MAY_MOVE | mappings.FIXED, area.start)
        place += area.length
    steps.ready().run()
    for area in areas:
        # So the kernel does not note at the end of each child which pages it has read.
        mappings.advise(area.start, area.length, mappings.RANDOM)
        mappings.advise(area.start, area.length, mappings.POPULATE_READ)
