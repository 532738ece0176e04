"""The template: a copy of the root zygote that sandboxes are forked from. It only does what the zygote has prepared.

What an interpreter does changes its memory, and the children of one that goes on doing things differ from each other before they have
done anything: in all that it has counted, allocated and freed meanwhile. So the zygote, which takes requests, forks no sandboxes. It was
copied when all was there that they need, and the copy is in the machine code of `runner.py` ever since: it receives calls and makes
them, among them those that fork, and no page of it changes that it is not told to write to. All sandboxes begin with the same
memory, and have most of it in common again when they have nothing to do (`memory_image.py`).

It has the zygote's descriptors, the very same table of them: what the zygote opens is open here, by the same number. Its children are
the zygote's to reap.
"""

import ctypes
import os
import select
import signal
import socket

import control
import kernel
import output
import plan
import runner

_COMMAND_CALLS = 4
# What the last call of a sandbox that has come as far as it can returns: its process id, in a namespace of its own.
ARRIVED = 1


class Gone(OSError):
    """It has ended, and nobody knows how far it has come."""


def not_expected():
    os._exit(1)


class Template:
    def __init__(self, room, home=None):
        """`room`: the arena that the programs are in which it is to carry out. `home`: a descriptor of the network namespace that it is
        in when it has nothing to do; None where it leaves ours never."""
        self._command = plan.Calls(_COMMAND_CALLS, room)
        # Of a call that has failed: what it has returned, and its address.
        self._failure = room.words(2)
        self._report = None
        self._receive, self._received = self._make_receiving()
        self._told, self.tail = self._make_telling(home)
        self._begin = self._make_beginning()
        self._sockets = None
        self._pid = None
        self._pidfd = None
        # Called in a sandbox whose last call has returned `ARRIVED`; never returns.
        self.arrive = not_expected

    def report_until(self, address):
        """It tells what is in the arena after each run, from here on up to that address."""
        start = ctypes.addressof(self._failure)
        self._report = (ctypes.c_char * (address - start)).from_address(start)
        self.tail.fill(self._told, 1, start)
        self.tail.fill(self._told, 2, address - start)

    @property
    def pid(self):
        """None where there is none."""
        return self._pid

    def start(self):
        """Makes it. Returns None; in each sandbox that is forked from it and can't arrive, what `runner.run` returns there. Raises OSError."""
        self._open_sockets()
        program, fork, cloner = self._make_fork()
        # Whatever is looked at after the fork is a page that each sandbox has for itself: names of our own cost nothing.
        first, arrive, carry_out, stopped = program.first, self.arrive, runner.carry_out, runner.STOPPED
        heard = control.hear_no_ends()  # as in a sandbox
        kernel.before_fork()
        result = carry_out(first, stopped)
        if result == ARRIVED:
            arrive()
        at = runner.stopped()
        call = program.call_at(at)
        if call is None:
            return self._come_out(result, at)
        kernel.after_fork_in_parent()
        control.hear_ends_again(*heard)
        if call == fork:
            self._close_sockets()
            raise program.failure(call, result)
        self._pid, self._pidfd = cloner.child
        return None

    def run(self, program, regions=()):
        """Has it carry out a program that ends with `tail`, when these regions of the arena, pairs of an address and a length, are there
        as they are here. Returns None; where a call has failed, what it has returned, and its address: the template has ended then.
        Raises Gone."""
        for call, (address, length) in enumerate(regions):
            self._command.put(call, 'recvfrom', self._sockets[1], address, length, socket.MSG_WAITALL, least=length)
        self._command.go_on(len(regions), program)
        for address, length in (self._command.region, *regions):
            output.write_all(self._sockets[0], ctypes.string_at(address, length))
        self._read()
        result, at = self._failure
        if at == 0:
            return None
        self.end()
        return result, at

    def end(self):
        """Does nothing where there is none."""
        if self._pid is None:
            return
        signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        self.forget()

    def forget(self):
        """It has ended, and somebody has reaped it."""
        os.close(self._pidfd)
        self._close_sockets()
        self._pid = self._pidfd = None

    def _come_out(self, result, at):
        """Out of the machine code, in the template or in a child of it."""
        if os.getpid() == ARRIVED:
            return result, at
        self._failure[:] = result, at
        os.write(self._sockets[1], self._report)
        os._exit(1)

    def _read(self):
        """Its report."""
        # Its end of the sockets is open here, too: so they do not tell that it has ended.
        poll = select.poll()
        for fd in (self._sockets[0], self._pidfd):
            poll.register(fd, select.POLLIN)
        report, read = memoryview(self._report).cast('B'), 0
        while read < len(report):
            if self._sockets[0] not in dict(poll.poll()):
                self.end()
                raise Gone(0, 'the template has ended')
            read += os.readv(self._sockets[0], [report[read:]])

    def _open_sockets(self):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self._sockets = ours.detach(), theirs.detach()
        self._receive.fill(self._received, 0, self._sockets[1])
        self.tail.fill(self._told, 0, self._sockets[1])
        self._failure[:] = 0, 0

    def _close_sockets(self):
        for fd in self._sockets:
            os.close(fd)

    def _make_fork(self):
        cloner = kernel.Cloner(kernel.CLONE_FILES, signal.SIGCHLD)
        steps = plan.Plan()
        steps.step('fork')
        fork = steps.fork(cloner)
        program = steps.ready()
        program.on_zero(fork, self._begin)
        return program, fork, cloner

    def _make_receiving(self):
        """Receives a command, and carries it out."""
        steps = plan.Plan()
        steps.step('template')
        address, length = self._command.region
        received = steps.call('recvfrom', 0, address, length, socket.MSG_WAITALL, least=length)
        way_on = steps.jump()
        program = steps.ready()
        program.on_zero(way_on, self._command)
        return program, received

    def _make_telling(self, home):
        """Tells what there is to tell, and receives the next command."""
        steps = plan.Plan()
        steps.step('template')
        if home is not None:
            # Else that of its last child would live on with it.
            steps.call('setns', home, kernel.CLONE_NEWNET)
        told = steps.call('write', 0, 0, 0, least=1)
        way_on = steps.jump()
        program = steps.ready()
        program.on_zero(way_on, self._receive)
        return told, program

    def _make_beginning(self):
        """It ends with the zygote."""
        steps = plan.Plan()
        steps.step('template')
        steps.call('prctl', kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
        steps.call('getppid', least=os.getpid())  # less where the zygote has ended before
        way_on = steps.jump()
        program = steps.ready()
        program.on_zero(way_on, self._receive)
        return program
