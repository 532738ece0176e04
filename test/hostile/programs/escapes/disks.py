import os
import stat

import tries

BLOCK = [(7, 0), (8, 0), (8, 1), (252, 0), (253, 0), (254, 0), (259, 0)]
# Memory, ports, kernel log, console, FUSE, tunnels, loop control, KVM; and the null device, for the principle.
CHARACTER = [(1, 1), (1, 2), (1, 4), (1, 11), (5, 1), (10, 229), (10, 200), (10, 237), (10, 232), (1, 3)]


def make(path, kind, numbers):
    os.mknod(path, kind | 0o666, os.makedev(*numbers))
    return tries.read(path)


def handler(event):
    """The disk of the machine, and its memory, as files of our own."""
    wanted = [(stat.S_IFBLK, numbers) for numbers in BLOCK] + [(stat.S_IFCHR, numbers) for numbers in CHARACTER]
    actions = {}
    for kind, numbers in wanted:
        for place in ('/host', '/tmp', '/dev'):
            path = f'{place}/{stat.filemode(kind)[0]}-{numbers[0]}-{numbers[1]}'
            actions[path] = lambda path=path, kind=kind, numbers=numbers: make(path, kind, numbers)
    return tries.outcomes(actions)
