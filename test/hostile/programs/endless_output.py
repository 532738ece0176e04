import os


def handler(event):
    while True:
        try:
            os.write(1, b'x' * 65536)
        except OSError:
            pass
