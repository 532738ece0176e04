import os
import sys


def handler(event):
    # Past the runtime: whatever descriptor is the connection gets an answer without an end.
    if event.get('raw'):
        for descriptor in range(3, 64):
            try:
                os.write(descriptor, b'HTTP/1.1 200 OK\r\ncontent-length: 1073741824\r\n\r\n')
                while True:
                    os.write(descriptor, b'x' * 65536)
            except OSError:
                pass
        sys.exit(1)
    return 'x' * (1024 * 1024 * 40)
