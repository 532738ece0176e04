"""The control protocol between the worker and its zygotes; `src/sandbox/sock/control.ts` is the other side.

Requests come one a message on a SOCK_SEQPACKET socket, JSON with descriptors beside it:

    {"op": "fork", "id": 7, "uid": 1879048199}    [socket]            to a zygote
    {"op": "start"}                               [code, scratch, listener]   to a forked sandbox

Events go back as lines of JSON on a stream. A forked sandbox's pidfd goes back on the control socket, as {"id": 7}.
`null` stands for what is not there.
"""

import json
import os
import socket

CONTROL_FD = 3
EVENTS_FD = 4
SETTINGS_FD = 5

OLDEST_PYTHON = (3, 9)

_MAX_MESSAGE = 65536
_MAX_FDS = 16


def receive(connection):
    """The next request and its descriptors; (None, []) when the other side is gone."""
    message, fds, _flags, _address = socket.recv_fds(connection, _MAX_MESSAGE, _MAX_FDS)
    return (json.loads(message) if message else None), fds


def send_pidfd(connection, sandbox_id, pidfd):
    socket.send_fds(connection, [json.dumps({'id': sandbox_id}).encode()], [pidfd])


def emit(event, **fields):
    """Sends one event. One write a line: a stream socket keeps it whole though several processes write."""
    os.write(EVENTS_FD, json.dumps({'event': event, **fields}).encode() + b'\n')


def emit_failure(sandbox_id, step, error):
    emit('failed', id=sandbox_id, step=step, error=f'{type(error).__name__}: {error}')
