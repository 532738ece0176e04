"""The control protocol between the worker and its zygotes; `src/sandbox/sock/control.ts` is the other side.

Requests come one a message on a SOCK_SEQPACKET socket, words with descriptors beside them:

    root 0                                   [socket]                      to PID 1: start a root zygote, see below
    fork write-self 2 7 1879048199           [socket, scratch, listener, file, file]    to a zygote, see below
    ping                                     []                            to the root zygote: it answers `pong`
    zygote write-self 2 8 1879113728 8192    [socket, events, home, file, file]         to a zygote, see below
    link none 0 9 812                        [pidfd]                       to the root zygote, see below
    hot                                      [file]                        to a zygote (`hot_pages.py`)
    image                                    [memory]                      to the root zygote (`memory_image.py`)
    start 9f86d081...                        [code]                        to a forked sandbox: serve it; see below
    compile -                                [code]                        the same: compile it
    install -                                [code]                        the same: serve it, with other limits

The second word names the lock of the code's packages, `-` for none. A request to fork says how a child enters its cgroup
(`none`; `write-self`, by writing to files; `clone-into`, a directory to be cloned into, and files to write to after that),
with how many descriptors, and then id and host uid of each child. The descriptors are, for each child in turn: its end of its
control socket, its scratch directory (a detached mount), the listening socket `server_pipe`, and those of its cgroup.

PID 1 starts a root zygote, of which there is one at a time, whose end of its control socket comes with the request, and whose number
tells it from those before it. Its pidfd comes back on the socket of PID 1, with the id 0, and PID 1 tells `exit` of that id.

A request for a package zygote has its id, the first of its host uids, and how many there are. The descriptors: its end of
a control socket of its own, its end of a stream for its events, its home (a detached mount), and those of its cgroup.

A sandbox that a package zygote has forked is linked to the router by the root zygote, which tells `linked` of it. The request
has its id, its pid as the zygotes see it, and its pidfd.

What a request says to a forked sandbox is carried out before Python has looked at it where it is the usual one: so that is told from the
others by its length, and filled up with spaces to `START_BYTES`.

Events go back as lines of JSON on a stream, each zygote's on its own. A forked process's pidfd goes back on the control
socket, with its id and its pid as the zygotes see it. The root zygote alone tells of ends: `exit` with the id of what it
forked itself, `reaped` with the pid of what others have forked. When it has died, PID 1 tells `reaped` of all that it had forked.

Every page that a package zygote writes to between two forks is one that its children no longer share. So what it does for each
sandbox is kept small: no JSON is parsed or made here, and no object of Python is made that need not be.
"""

import ctypes
import os
import select
import signal
import socket

import _signal

CONTROL_FD = 3
EVENTS_FD = 4
SETTINGS_FD = 5

# Set for the root zygote: the dynamic linker binds all functions of libraries then. Else each child would bind those that it calls.
BIND_NOW = 'LD_BIND_NOW'

OLDEST_PYTHON = (3, 9)

# The root zygote's own, in what PID 1 tells of it.
ROOT_ID = 0

# The least that a request has which begins with `start`, and more than others of a forked sandbox have.
START_BYTES = 128
_MAX_MESSAGE = 512
_MAX_TEXT = 4096
_FD_BYTES = 4
_FDS_SPACE = socket.CMSG_SPACE(64 * _FD_BYTES)
# Children in one request.
MAX_FORKS = 8


def receive(connection):
    """The words of the next request, and its descriptors; no words when the other side is gone."""
    message, ancillary, _flags, _address = connection.recvmsg(_MAX_MESSAGE, _FDS_SPACE)
    fds = []
    for _level, _kind, data in ancillary:
        fds += fds_of(data)
    return message.split(), fds


def fds_of(data):
    return [int.from_bytes(data[at : at + _FD_BYTES], 'little') for at in range(0, len(data), _FD_BYTES)]


class Inbox:
    """Room for a request that a `recvmsg` prepared in the zygote takes (`spares.py`)."""

    def __init__(self):
        self._message = ctypes.create_string_buffer(_MAX_MESSAGE)
        self._rights = ctypes.create_string_buffer(_FDS_SPACE)
        self._part = (ctypes.c_uint64 * 2)(ctypes.addressof(self._message), _MAX_MESSAGE)
        # struct msghdr: name, its length, parts, how many, control messages, their length, flags.
        rights = (ctypes.addressof(self._rights), _FDS_SPACE)
        self._header = (ctypes.c_uint64 * 7)(0, 0, ctypes.addressof(self._part), 1, *rights, 0)
        self.address = ctypes.addressof(self._header)

    @property
    def message(self):
        """Where a request comes to, as an array of bytes of length 1."""
        return self._message

    def take(self):
        """The words of the request that has come: the first one in this process."""
        return self._message.value.split()


def send_pidfd(connection, sandbox_id, pid, pidfd):
    rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, pidfd.to_bytes(_FD_BYTES, 'little'))
    connection.sendmsg([b'%d %d' % (sandbox_id, pid)], [rights])


def tell(event, *values):
    """Sends one event, a line of JSON. One write a line: a stream socket keeps it whole though many processes write."""
    os.write(EVENTS_FD, event % values)


LAUNCHED = b'{"event":"launched","pid":%d}\n'
IMAGED = b'{"event":"imaged","pages":%d}\n'
PONG = b'{"event":"pong"}\n'
FORKED = b'{"event":"forked","id":%d}\n'
# Of one length: the zygote hands it to the child when its ids are mapped, which passes it on by system calls that were prepared before.
WAITING = b'{"event":"waiting","id":%-10d}\n'
WAITING_BYTES = len(WAITING % 0)
STARTED = b'{"event":"started","id":%d,"times":[%d,%d,%d]}\n'
EXITED = b'{"event":"exit","id":%d,"code":%d,"signal":null}\n'
KILLED = b'{"event":"exit","id":%d,"code":null,"signal":%d}\n'
REAPED = b'{"event":"reaped","pid":%d,"code":%d,"signal":null}\n'
REAPED_KILLED = b'{"event":"reaped","pid":%d,"code":null,"signal":%d}\n'
LINKED = b'{"event":"linked","id":%d}\n'


def tell_status(exited, killed, name, status):
    """Tells of an end, as `waitpid` says it was."""
    if os.WIFEXITED(status):
        tell(exited, name, os.WEXITSTATUS(status))
    else:
        tell(killed, name, os.WTERMSIG(status))


def serve(connection, take_request, reap, ready=lambda: None):
    """Takes requests, and reaps when a child may have ended; never returns. `ready` is called when no end is missed any more."""
    wake, signalled = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    signal.set_wakeup_fd(signalled, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    poll.register(wake, select.POLLIN)
    ready()
    while True:
        for fd, _events in poll.poll():
            if fd == wake:
                os.read(wake, 4096)
                reap()
            else:
                take_request()


def hear_no_ends():
    """Takes back what `serve` has done with signals, in a child of who serves. Returns what `hear_ends_again` is to be given."""
    # Not by `signal`, which looks for a name for each number: more objects that a sandbox would have pages for.
    return _signal.set_wakeup_fd(-1), _signal.signal(_signal.SIGCHLD, _signal.SIG_DFL)


def hear_ends_again(wakeup, handler):
    """One may have come meanwhile."""
    signal.signal(signal.SIGCHLD, handler)
    signal.set_wakeup_fd(wakeup, warn_on_full_buffer=False)
    signal.raise_signal(signal.SIGCHLD)


def tell_imported(zygote_id, took, tasks, loaded):
    """A package zygote can fork. `loaded`: the numbers of the directories that modules have been loaded from, step by step."""
    _tell_json(event='imported', id=zygote_id, us=took, tasks=tasks, loaded=loaded)


def tell_ready(python, cache_tag):
    _tell_json(event='ready', python=python, cache_tag=cache_tag)


def tell_fatal(step, error):
    """The zygote cannot be made."""
    _tell_json(event='fatal', step=step, error=str(error))


def tell_failed(forked_id, step, error, **more):
    """A sandbox or a package zygote cannot be made. `more`: `module`, the number of the one that could not be imported."""
    text = f'{type(error).__name__}: {error}'
    if len(text) > _MAX_TEXT:
        text = text[:_MAX_TEXT] + '... (cut)'
    _tell_json(event='failed', id=forked_id, step=step, error=text, **more)


def _tell_json(**event):
    import json

    tell(b'%s\n', json.dumps(event).encode())
