"""Makes an image of the memory of a child, and gives pages back. Argument: the directory of the runtime. Prints JSON."""

import ctypes
import json
import os
import signal
import struct
import sys
import threading
import time

sys.path.insert(0, sys.argv[1])
import arena
import imports
import mappings
import memory_image
import template

PAGE = mappings.PAGE_BYTES
ARENA = 256 * 1024
# What each page holds before there is an image: the last one nothing.
BEFORE = [b'a' * PAGE, b'b' * PAGE, b'c' * PAGE, bytes(PAGE)]


def page(number):
    return ctypes.string_at(area + number * PAGE, PAGE)


def write(number, content):
    ctypes.memmove(area + number * PAGE, content, len(content))


def written():
    """Which of the pages this process has for itself."""
    with open('/proc/self/pagemap', 'rb', buffering=0) as table:
        table.seek(area // PAGE * 8)
        entries = struct.unpack('4Q', table.read(32))
    return [number for number, entry in enumerate(entries) if entry >> 61 == 4]


def touch_all():
    write(0, b'changed')
    write(0, BEFORE[0])
    write(1, b'kept')
    write(2, b'new')
    write(3, bytes(8))


def of_child():
    """An image of the memory of a child that has written to a page."""
    ready, is_ready = os.pipe()
    pid = os.fork()
    if pid == 0:
        write(1, b'kept')
        os.write(is_ready, b'!')
        signal.pause()
    os.read(ready, 1)
    memory = os.open(f'/proc/{pid}/mem', os.O_RDONLY)
    common = image.take(memory, made)
    os.close(memory)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return common


def held(process):
    """How each page begins in the memory of that process."""
    with open(f'/proc/{process}/mem', 'rb', buffering=0) as memory:
        return [os.pread(memory.fileno(), 7, area + number * PAGE).decode() for number in range(4)]


def given():
    """What becomes of the pages, and what they hold then."""
    count = image.give_back()
    return {'any': count > 0, 'written': written(), 'held': held('self')}


def with_thread():
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    touch_all()
    outcome = given()
    done.set()
    thread.join()
    # Python tells of its end before the kernel has ended it.
    while len(os.listdir('/proc/self/task')) > 1:
        time.sleep(0.001)
    return outcome


def in_child():
    """The same in a process that was forked from this one, and what it leaves here."""
    read_end, write_end = os.pipe()
    if os.fork() == 0:
        touch_all()
        os.write(write_end, json.dumps(given()).encode())
        os._exit(0)
    os.close(write_end)
    os.wait()
    with open(read_end, 'rb') as pipe:
        return {'child': json.loads(pipe.read()), 'here': page(1)[:7].decode()}


def with_signals():
    """The signals that are blocked after it, where some were before."""
    signal.pthread_sigmask(signal.SIG_SETMASK, [signal.SIGUSR1])
    image.give_back()
    return [int(one) for one in signal.pthread_sigmask(signal.SIG_SETMASK, [])]


def replaced():
    """Pages of zeros that something else has in the place of a part of the image."""
    libc = ctypes.CDLL(None)
    libc.mmap.restype = ctypes.c_void_p
    file = os.memfd_create('other')
    os.write(file, b'o' * PAGE)
    flags = mappings.PRIVATE | mappings.FIXED_PLACE
    place = ctypes.c_void_p(area + 3 * PAGE)
    libc.mmap(place, ctypes.c_size_t(PAGE), mappings.READ | mappings.WRITE, flags, file, ctypes.c_long(0))
    write(3, bytes(PAGE))
    image.give_back()
    return page(3) == bytes(PAGE)


area = mappings.make(memory_image._LEAST_BYTES, mappings.READ | mappings.WRITE, mappings.PRIVATE | mappings.ANONYMOUS)
for number, content in enumerate(BEFORE):
    write(number, content)
room = arena.Arena(mappings.make_apart(ARENA), ARENA)
made = template.Template(room)
made.report_until(room.next)
image = memory_image.make(room)
made.start()
common = of_child()
outcomes = {'common': common > 0, 'before': written(), 'held': [held('self'), held(made.pid)]}
outcomes |= {'thread': with_thread(), 'child': in_child(), 'alone': given(), 'signals': with_signals()}
with open('/proc/self/maps') as maps:
    shared = [line.split()[1] for line in maps if 'memfd:zygote' in line]
outcomes['writable'] = [permissions for permissions in shared if 'w' in permissions and 's' in permissions]
outcomes['open'] = [target for target in imports.descriptors().values() if 'zygote' in target or 'state' in target]
outcomes['replaced'] = replaced()
print(json.dumps(outcomes))
