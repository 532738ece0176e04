"""The Python side of the control protocol, for the fixtures in test/fixtures/control.

Arguments: the directory of the runtime, the one of the fixtures. Prints what it received and what it told, as JSON.
"""

import ctypes
import json
import os
import socket
import sys

runtime, fixtures = sys.argv[1:]
sys.path.insert(0, runtime)
import control


def load(name):
    with open(os.path.join(fixtures, name), encoding='utf-8') as file:
        return json.load(file)


def in_python(connection):
    return control.receive(connection)


def by_the_kernel(connection):
    inbox = control.Inbox()
    before = memory_descriptors()
    length = ctypes.CDLL(None).recvmsg(connection.fileno(), ctypes.c_void_p(inbox.address), 0)
    came = sorted(memory_descriptors() - before)
    return inbox.take() if length > 0 else [], came


def memory_descriptors():
    """Those of files of the kind that is sent here."""
    return {int(name) for name in os.listdir('/proc/self/fd') if is_memory(name)}


def is_memory(name):
    try:
        return os.readlink(f'/proc/self/fd/{name}').startswith('/memfd:')
    except FileNotFoundError:
        return False  # that of the directory that was read


def receive(request, by):
    """What the receiving side makes of the bytes, and whether the descriptors came in their order."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    sent = [os.memfd_create(str(index)) for index in range(request['descriptors'])]
    socket.send_fds(ours, [request['bytes'].encode()], sent)
    words, fds = by(theirs)
    names = [os.readlink(f'/proc/self/fd/{fd}').split(':')[1].split(' ')[0] for fd in fds]
    for fd in [*sent, *fds]:
        os.close(fd)
    return {'words': [word.decode() for word in words], 'descriptors': names}


def argument(value):
    if isinstance(value, dict):
        return OSError(*value['OSError'])
    return value


def told(event):
    """The line that a call of control.py writes."""
    name, *values = event['call']
    if name == 'tell':
        values[0] = getattr(control, values[0])
    read_end, control.EVENTS_FD = os.pipe()
    getattr(control, name)(*map(argument, values))
    os.close(control.EVENTS_FD)
    with open(read_end, encoding='utf-8') as pipe:
        return pipe.read()


def closed():
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.close()
    words, fds = control.receive(theirs)
    return [len(words), len(fds)]


print(
    json.dumps(
        {
            'received': [receive(request, in_python) for request in load('requests.json')],
            'inboxed': [receive(request, by_the_kernel) for request in load('requests.json')],
            'told': [told(event) for event in load('events.json')],
            'closed': closed(),
            'root_id': control.ROOT_ID,
            'start_bytes': control.START_BYTES,
        }
    )
)
