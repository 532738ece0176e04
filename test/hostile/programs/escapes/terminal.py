import fcntl
import os

import tries

TIOCSTI, TIOCLINUX, TIOCSETD, TIOCSCTTY = 0x5412, 0x541C, 0x5423, 0x540E
HIGH_HALF = 1 << 32


def type_into(fd, request):
    return tries.checked(tries.libc.ioctl(fd, tries.ctypes.c_ulong(request), b'x'))


def handler(event):
    """Into the terminal that the worker was started from, as if its user had typed it."""
    actions = {}
    for fd in (0, 1, 2):
        for name, request in {'TIOCSTI': TIOCSTI, 'TIOCLINUX': TIOCLINUX, 'TIOCSETD': TIOCSETD}.items():
            actions[f'{name} of {fd}'] = lambda fd=fd, request=request: type_into(fd, request)
            actions[f'{name} of {fd}, 64 bits'] = lambda fd=fd, request=request: type_into(fd, HIGH_HALF + request)
        actions[f'TIOCSCTTY of {fd}'] = lambda fd=fd: fcntl.ioctl(fd, TIOCSCTTY, 1)
    for path in ('/dev/tty', '/dev/console', '/dev/tty1', '/dev/ptmx', '/dev/pts/0', '/dev/pts/ptmx'):
        actions[path] = lambda path=path: os.open(path, os.O_RDWR)
    return tries.outcomes(actions)
