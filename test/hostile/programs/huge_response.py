import os
import sys


def request_id_line():
    """What the worker wants to have back is in the runtime's own frames, below ours."""
    frame = sys._getframe()
    while 'request_id' not in frame.f_locals:
        frame = frame.f_back
    return frame.f_locals['request_id']


def handler(event):
    # Past the runtime: whatever descriptor is the connection gets an answer without an end.
    if event.get('raw'):
        head = b'HTTP/1.1 200 OK\r\n%scontent-length: 1073741824\r\n\r\n' % request_id_line()
        for descriptor in range(3, 64):
            try:
                os.write(descriptor, head)
                while True:
                    os.write(descriptor, b'x' * 65536)
            except OSError:
                pass
        sys.exit(1)
    return 'x' * (1024 * 1024 * 40)
