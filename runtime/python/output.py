"""Writing to descriptors."""

import os


def write_all(fd, data):
    """However few bytes the kernel takes at once, and although a signal may come in between."""
    written = os.write(fd, data)
    while written < len(data):
        data = memoryview(data)[written:]
        written = os.write(fd, data)
