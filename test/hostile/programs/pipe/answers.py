import base64
import os
import socket
import sys
import threading
import time


def connection():
    """The worker's end is at the other side of the one socket that is connected."""
    for fd in range(3, 64):
        try:
            with socket.socket(fileno=os.dup(fd)) as one:
                one.getpeername()
                return fd
        except OSError:
            continue


def request_id_line():
    """What the worker wants to have back is in the runtime's own frames, below ours."""
    frame = sys._getframe()
    while 'request_id' not in frame.f_locals:
        frame = frame.f_back
    return frame.f_locals['request_id']


def write(fd, data):
    while data:
        data = data[os.write(fd, data) :]


def endless(fd, part):
    while True:
        write(fd, part)


def byte_by_byte(fd, data):
    for at in range(len(data)):
        os.write(fd, data[at : at + 1])


kept = []


def handler(event):
    """Speaks to the worker past the runtime."""
    if event is None:
        return 'as usual'
    fd = connection()
    data = base64.b64decode(event['data']).replace(b'X-Request-Id: found\r\n', request_id_line())
    way = event['way']
    if way == 'later':
        threading.Thread(target=lambda: (time.sleep(0.1), write(fd, data)), daemon=True).start()
        return 'first'
    if way == 'kept':
        kept.append(data)
        return 'first'
    if way == 'of the one before':
        data = kept.pop()
        way = 'once'
    {'once': write, 'endless': endless, 'bytes': byte_by_byte}[way](fd, data)
    if event['after'] == 'hang':
        time.sleep(60)
    if event['after'] == 'exit':
        os._exit(0)
    if event['after'] == 'close':
        os.close(fd)
        sys.exit()
    return 'second'
