"""Answers the sandboxes' questions for names, by asking the machine's name servers.

A process of its own, in the machine's network: it reads from sockets of the router, and asks from sockets of the machine. So the
name server may be anywhere, on the machine's loopback too, and no packet of a sandbox has a way there. It is nobody on the machine:
a uid of its own, no capabilities.
"""

import os
import resource
import select
import signal
import socket
import sys
import time

import kernel
import names
import resolver_streams

_LONGEST = 4096
_MAX_ASKED = 512
_MAX_ASKED_OF_ONE = 64
_ANSWER_S = 2.0
_AT_ONCE = 64


class Asked:
    """A question that has been passed on."""

    def __init__(self, question, client, servers):
        self.question = question
        self.client = client
        self.servers = servers  # those that are still to be asked
        self.connection = None
        self.until = 0.0


class Resolver:
    def __init__(self, datagrams, streams):
        self._datagrams = datagrams
        self._servers = names.Servers()
        self._poll = select.poll()
        self._asked = {}  # descriptor -> Asked, oldest first
        self._streams = resolver_streams.Streams(streams, self._poll, self._servers)
        self._poll.register(datagrams, select.POLLIN)

    def serve(self):
        while True:
            waits = bool(self._asked) or self._streams.is_busy
            for fd, _events in self._poll.poll(200 if waits else None):
                if fd == self._datagrams.fileno():
                    self._take()
                elif fd in self._asked:
                    self._answer(fd)
                else:
                    self._streams.handle(fd)
            self._go_on(time.monotonic())

    def _take(self):
        for _ in range(_AT_ONCE):
            try:
                question, client = self._datagrams.recvfrom(_LONGEST)
            except BlockingIOError:
                return
            of_one = sum(asked.client[0] == client[0] for asked in self._asked.values())
            if len(self._asked) < _MAX_ASKED and of_one < _MAX_ASKED_OF_ONE and names.is_question(question):
                self._ask(Asked(question, client, list(self._servers.now())))

    def _ask(self, asked):
        """Asks the next of its servers; where there is none left, whoever asked hears nothing."""
        while asked.servers:
            connection = names.connect(asked.servers.pop(0), socket.SOCK_DGRAM)
            if connection is None:
                continue
            try:
                connection.send(asked.question)
            except OSError:
                connection.close()
                continue
            asked.connection = connection
            asked.until = time.monotonic() + _ANSWER_S
            self._asked[connection.fileno()] = asked
            self._poll.register(connection, select.POLLIN)
            return

    def _answer(self, fd):
        asked = self._asked[fd]
        try:
            answer = asked.connection.recv(65535)
        except BlockingIOError:
            return
        except OSError:  # nobody listens there
            self._drop(asked)
            return self._ask(asked)
        if not names.is_answer(answer, asked.question):
            return
        self._drop(asked)
        try:
            self._datagrams.sendto(answer, asked.client)
        except OSError:
            pass  # the sandbox is gone

    def _drop(self, asked):
        fd = asked.connection.fileno()
        self._poll.unregister(fd)
        del self._asked[fd]
        asked.connection.close()

    def _go_on(self, now):
        for asked in [one for one in self._asked.values() if one.until < now]:
            self._drop(asked)
            self._ask(asked)
        self._streams.close_late(now)


def start(router, uid):
    """Forks it; returns its pid."""
    parent = os.getpid()
    pid = os.fork()
    if pid != 0:
        return pid
    try:
        kernel.set_namespace(router.machine, kernel.CLONE_NEWNET)
        # Ours is that of the sandboxes by now: pivot_root is for all processes of a mount namespace.
        os.fchdir(router.root)
        os.chroot('.')
        become_nobody(uid, [listener.fileno() for listener in router.listeners])
        kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)  # a change of ids takes it away
        if os.getppid() != parent:
            os._exit(1)
        Resolver(*router.listeners).serve()
    except BaseException as error:
        sys.stderr.write(f'the resolver of names has ended: {error!r}\n')
        sys.stderr.flush()
    os._exit(1)


def become_nobody(uid, kept):
    for fd in map(int, os.listdir('/proc/self/fd')):
        if fd > 2 and fd not in kept:
            try:
                os.close(fd)
            except OSError:
                pass  # that of the listing itself
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    os.nice(5)
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
