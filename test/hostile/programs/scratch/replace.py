import os
import socket


def put(path, kind, target):
    """Puts something else in the place of one of the worker's files."""
    if os.path.lexists(path):
        os.unlink(path)
    if kind == 'link':
        os.symlink(target, path)
    elif kind == 'fifo':
        os.mkfifo(path)
    elif kind == 'directory':
        os.mkdir(path)
        os.symlink(target, path + '/inside')
    elif kind == 'socket':
        socket.socket(socket.AF_UNIX).bind(path)
    elif kind == 'another':
        open(path, 'w').close()


def handler(event):
    if 'file' in event:
        put('/host/' + event['file'], event['kind'], event.get('target'))
    print('printed')
    return event.get('kind', 'nothing')
