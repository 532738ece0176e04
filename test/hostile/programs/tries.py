"""What the programs here share: each tries many things, and tells of each what came of it."""

import ctypes
import errno
import os
import re

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long

# Does not match itself, wherever this text is in memory.
SECRET = re.compile(b'ol-canary-' + b'[0-9a-f]{32}')


def checked(result):
    """The result of a function of the C library, which is -1 where it failed."""
    if result == -1:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def call(number, *arguments):
    """The system call itself: the C library would look at the arguments first, or not have it."""
    return checked(libc.syscall(ctypes.c_long(number), *map(to_long, arguments)))


def to_long(argument):
    return ctypes.c_ulong(argument) if isinstance(argument, int) else argument


def outcome(action):
    """The name of the errno that it failed with, else `got` and what."""
    try:
        return f'got {action()!r}'[:300]
    except OSError as error:
        # Names that cannot be looked up have numbers of their own.
        return errno.errorcode.get(error.errno, type(error).__name__)


def outcomes(actions):
    return {name: outcome(action) for name, action in actions.items()}


def read(path, directory=None):
    """The first bytes of a file, with no help of Python's."""
    fd = os.open(path, os.O_RDONLY, dir_fd=directory)
    try:
        return os.read(fd, 1000)
    finally:
        os.close(fd)


def open_to_write(path):
    """Opened, and nothing written: where this works, no harm is done."""
    os.close(os.open(path, os.O_WRONLY))
    return 'opened'
