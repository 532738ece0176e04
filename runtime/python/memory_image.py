"""The memory of an idle sandbox as a file, so that others can give back the pages in which they are like it.

A child shares the pages of its zygote until it writes to them, and there is no way back: a page that was copied stays a copy. But most
copies are the same in all children. An interpreter that looks at an object counts a reference to it, and then mostly one less; and what
does differ from the zygote, because a function has been loaded and called, is for the larger part the same whichever function it was.

So there are private mappings of a file in the place of memory, and the file has what is in the memory of a sandbox that has answered a
call of a function of ours (`src/sandbox/sock/rehearsal.ts`). Where the zygote and the template (`template.py`) differ from that, it is
written back into their mappings: for them nothing changes. A page of such a mapping can be dropped: what is read there next is the
file's. A child that has no call drops all that are as they are in the file.

Nothing may be written to a page between the look at it and its end, and Python writes to pages wherever it looks. So both are done by
machine code (`give_back.py`), with signals blocked, and only where no other thread or process has the same memory. What else could
write is a kernel that has been asked to read from a disk meanwhile (`io_submit`), into memory that nobody has written to since it was
forked: a call that is answered while such a read is under way must not count on it.
"""

import ctypes
import errno
import os

import give_back
import kernel
import machine_code
import mappings
import output
import plan
import runner

_give_back = machine_code.function(give_back.CODE, ctypes.c_long, ctypes.c_void_p)
_PAGE_BYTES_OF_CODE = 4096
_PAGE_MAP = ctypes.create_string_buffer(b'/proc/self/pagemap')
_ALL_SIGNALS = -1
_MFD_NOEXEC_SEAL = 8
_LEAST_BYTES = 512 * 1024

# Words of the table: see `give_back.py`.
_IMAGE, _LENGTH, _COUNT, _NAME, _SIGNALS, _PIECES = range(6)
_PIECE_WORDS = 3
_MAX_PIECES = 64
# Of addresses: where the image is mapped as a whole, in the zygote and in the template.
_MAX_BYTES = 64 * 1024 * 1024

_WRITABLE = mappings.READ | mappings.WRITE
# So the kernel does not note at the end of each child which pages it has read; and so that children find all pages mapped.
_ADVICE = (mappings.RANDOM, mappings.POPULATE_READ)


class MemoryImage:
    """Of no memory at first: nothing is given back."""

    def __init__(self, room):
        """`room`: the arena of what the template is to carry out."""
        self._room = room
        self._place = mappings.make(_MAX_BYTES, mappings.NONE, mappings.PRIVATE | mappings.ANONYMOUS)
        self._table = (ctypes.c_int64 * (_PIECES + _PIECE_WORDS * _MAX_PIECES))()
        self._table[_IMAGE] = self._place
        self._table[_NAME] = ctypes.addressof(_PAGE_MAP)
        self._table[_SIGNALS] = _ALL_SIGNALS
        self._address = ctypes.addressof(self._table)

    def take(self, child, template):
        """From now on it is of the memory of that child of the template, an open /proc/<pid>/mem, which waits for a call. Returns how many
        pages the template has in common with it. Raises OSError, MemoryError: nothing is given back then."""
        self._table[_COUNT] = 0
        if template.pid is None:
            raise OSError(errno.ESRCH, 'there is no template')
        areas = areas_of_both(template.pid)
        contents = [read_all(child, area) for area in areas]
        file, readable = open_file()
        try:
            for content in contents:
                output.write_all(file, content)
            table = self._make_table(areas)
            common = self._take_there(template, areas, contents, readable, table)
            take_here(areas, readable, self._place)
            ctypes.memmove(self._address, table, len(table))
        finally:
            os.close(file)
            os.close(readable)
        self.give_back()
        for area in areas:
            for advice in _ADVICE:
                mappings.advise(area.start, area.length, advice)
        return common

    def give_back(self):
        """Drops all pages that are what they are in the image. Returns how many."""
        return _give_back(self._address)

    def _make_table(self, areas):
        """Its content, bytes."""
        length = length_of(areas)
        pieces = list(pieces_of(areas))
        if length > _MAX_BYTES or len(pieces) > _MAX_PIECES:
            raise OSError(errno.ENOMEM, f'there is no room for an image of {length} bytes in {len(pieces)} pieces')
        table = type(self._table)(*self._table)
        table[_LENGTH], table[_COUNT] = length, len(pieces)
        for at, word in enumerate(sum(pieces, ()), _PIECES):
            table[at] = word
        return bytes(table)

    def _take_there(self, template, areas, contents, readable, table):
        """Has the template put the image in the place of its memory, and what it has there itself back into that. It goes on as it was."""
        state = os.memfd_create('state', os.MFD_CLOEXEC)
        memory = os.open(f'/proc/{template.pid}/mem', os.O_RDONLY | os.O_CLOEXEC)
        try:
            steps, common = taking(areas, contents, memory, state, readable)
            place = append(state, table)
            length = length_of(areas)
            steps.call('mmap', self._place, length, mappings.READ, mappings.SHARED | mappings.FIXED_PLACE, readable, 0)
            steps.call('pread64', state, self._address, len(table), place, least=len(table))
            last = steps.jump()
            program = steps.ready(self._room)
            program.on_zero(last, template.tail)
            failure = template.run(program, [program.region])
            if failure is not None:
                result, at = failure
                raise program.failure(program.call_at(at), result)
            return common
        finally:
            os.close(state)
            os.close(memory)


def make(room):
    """None where there can be none: memory is as it was then, and nothing is given back."""
    if _give_back is None or not runner.is_native() or mappings.PAGE_BYTES != _PAGE_BYTES_OF_CODE:
        return None
    return MemoryImage(room)


def open_file():
    """An anonymous file, and a second descriptor of it that is only for reading: what is mapped from that can't be made writable."""
    try:
        file = os.memfd_create('zygote', os.MFD_CLOEXEC | _MFD_NOEXEC_SEAL)
    except OSError:
        file = os.memfd_create('zygote', os.MFD_CLOEXEC)  # before Linux 6.3
    return file, os.open(f'/proc/self/fd/{file}', os.O_RDONLY | os.O_CLOEXEC)


def areas_of_both(pid):
    """The mappings of this process which that one, a copy of it, still has as they are, and the image can take the place of."""
    theirs = {(area.start, area.end) for area in mappings.of(pid)}
    return [area for area in mappings.of('self') if is_movable(area) and (area.start, area.end) in theirs]


def is_movable(area):
    """Not the stack, which is in use, nor where the C library has what it knows of this thread, which the kernel writes to. Not what is
    small, as the data of most libraries: each mapping of the image is one more that all forks and ends have to be listed in."""
    if area.permissions != 'rw-p' or area.length < _LEAST_BYTES or (area.name.startswith('[') and area.name != '[heap]'):
        return False
    return not area.start <= kernel.thread_id_address() < area.end


def length_of(areas):
    return sum(area.length for area in areas)


def pieces_of(areas):
    """(address, pages, place in the image) of each part that is given back at once."""
    place = 0
    for area in areas:
        pages = area.length // mappings.PAGE_BYTES
        for page in range(0, pages, give_back.PAGES_AT_ONCE):
            offset = page * mappings.PAGE_BYTES
            yield area.start + offset, min(give_back.PAGES_AT_ONCE, pages - page), place + offset
        place += area.length


def read_all(memory, area):
    content = os.pread(memory, area.length, area.start)
    if len(content) < area.length:
        raise OSError(errno.EIO, f'{len(content)} of {area.length} bytes can be read at {area.start:x}')
    return content


def append(file, content):
    """Returns where it begins in the file."""
    place = os.lseek(file, 0, os.SEEK_CUR)
    output.write_all(file, content)
    return place


def taking(areas, contents, memory, state, readable):
    """The plan by which the process with this memory gets mappings of the image, `contents`, in the place of these areas, and has in
    them what it has now, which is written to the file `state` for that. And how many pages are the same in both."""
    steps, common, place = plan.Plan(), 0, 0
    steps.step('image')
    for area, content in zip(areas, contents):
        steps.call('mmap', area.start, area.length, _WRITABLE, mappings.PRIVATE | mappings.FIXED_PLACE, readable, place)
        place += area.length
        own = read_all(memory, area)
        ranges = list(differing(own, content))
        for start, end in ranges:
            length = end - start
            steps.call('pread64', state, area.start + start, length, append(state, own[start:end]), least=length)
        for advice in _ADVICE:
            steps.call('madvise', area.start, area.length, advice)
        common += (area.length - sum(end - start for start, end in ranges)) // mappings.PAGE_BYTES
    return steps, common


def differing(one, other):
    """The pages in which they differ, as ranges of bytes."""
    start = None
    for at in range(0, len(one), mappings.PAGE_BYTES):
        page = slice(at, at + mappings.PAGE_BYTES)
        if one[page] == other[page]:
            if start is not None:
                yield start, at
            start = None
        elif start is None:
            start = at
    if start is not None:
        yield start, len(one)


def take_here(areas, file, image):
    """The same in this process, which goes on writing to its memory meanwhile. The whole image is mapped at the address `image`."""
    own = os.open('/proc/self/mem', os.O_RDONLY | os.O_CLOEXEC)
    try:
        steps = plan.Plan()
        steps.step('image')
        steps.call('mmap', image, length_of(areas), mappings.READ, mappings.SHARED | mappings.FIXED_PLACE, file)
        place = 0
        for area in areas:
            made = mappings.make(area.length, _WRITABLE, mappings.PRIVATE, file, place)
            steps.call('pread64', own, made, area.length, area.start, least=area.length)
            steps.call('mremap', made, area.length, area.length, mappings.MAY_MOVE | mappings.FIXED, area.start)
            place += area.length
        steps.ready().run()
    finally:
        os.close(own)
