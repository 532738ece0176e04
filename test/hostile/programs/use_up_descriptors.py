import errno
import os


def handler(event):
    held = []
    try:
        while True:
            held.extend(os.pipe())
    except OSError as error:
        return [errno.errorcode[error.errno], len(held)]
