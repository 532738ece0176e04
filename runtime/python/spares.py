"""Forks spares, several at once: all forks of a batch, and all that each child does until it is told what to be, is one program.

What a zygote writes to between two forks is a page that the one before no longer shares with the ones after. So it writes to none:
the pages that differ from batch to batch are shared by the whole batch.
"""

import ctypes
import json
import os
import signal

import control
import kernel
import plan
import runner
import spare

# A sandbox's network namespace is made apart, and it is forked into it. The ipc namespace is ours: a sandbox can make no call that
# has to do with it (`src/sandbox/sock/seccomp/profile.ts`).
NAMESPACES = kernel.CLONE_NEWUSER | kernel.CLONE_NEWPID | kernel.CLONE_NEWNS | kernel.CLONE_NEWUTS


class Child:
    """What one spare is made of."""

    def __init__(self, sandbox_id, network, cgroup, files, fds):
        """`network`: a descriptor of its network namespace; None for ours. `cgroup`: that of the directory to clone it into, or
        None; it enters others by writing to each of `files`. `fds`: where the request comes from, scratch, the listener, and what
        tells when its ids are mapped."""
        self.sandbox_id = sandbox_id
        self.network = network
        self.cgroup = cgroup
        self.files = files
        self.fds = fds


class Spares:
    """Made once, in the root zygote: package zygotes go on with what is prepared there."""

    def __init__(self, settle, hot_pages, has_networks):
        """`settle`: the plan that all have in common. `has_networks`: whether children have network namespaces of their own."""
        self._settle = settle
        self._hot_pages = hot_pages
        self._has_networks = has_networks
        self._are_ours = True
        self._slots = []
        self._batches = {}  # number of children -> what forks so many
        self._inbox = control.Inbox()
        self._told = ctypes.create_string_buffer(control.WAITING_BYTES)
        self._wait = self._make_wait()
        hot_pages.go_on_with(self._wait)
        self._ended = None  # in a child: the result of its last call, and where it ended

    def set_parent(self, is_ours):
        """Whether children from now on are our own, or those of our parent. What was prepared before was for another zygote."""
        self._are_ours = is_ours
        for slot in self._slots:
            slot.cloner.set_parent(is_ours)

    def fork(self, children):
        """Returns for each child its (pid, pidfd), or the OSError that there was; in a child, when it has been told what to do or could
        not come so far, None."""
        forked = []
        while len(forked) < len(children):
            some = self._fork_some(children[len(forked) :])
            if some is None:
                return None
            forked += some
        return forked

    def request(self):
        """In a child: the words of the request and its descriptors. Raises plan.Failed where it has not come so far, and ends the
        process where nobody has a use for it any more."""
        result, at = self._ended
        call = self._wait.call_at(at)
        if call is None:
            slot = self._slot_at(at)
            call = slot.program.call_at(at)
            if call == slot.mapped and result == 0:
                os._exit(1)  # the zygote has told why
            raise slot.program.failure(call, result)
        if not self._wait.is_end(call):
            if result == 0:
                os._exit(0)  # a spare that is not needed any more
            raise self._wait.failure(call, result)
        return self._inbox.take(result)

    def own_id(self):
        """In a child: its id."""
        slot = self._slot_at(self._ended[1])
        return json.loads(self._told.raw)['id'] if slot is None else slot.sandbox_id

    def prepare(self, count):
        """Makes what it takes to fork so many, if it is not there yet."""
        while len(self._slots) < count:
            self._slots.append(Slot(self._make_cloner(), self._settle, self._hot_pages, ctypes.addressof(self._told)))
        if count not in self._batches:
            self._batches[count] = Batch(self._slots[:count], self._has_networks)
        return self._batches[count]

    def _make_cloner(self):
        cloner = kernel.Cloner(NAMESPACES, signal.SIGCHLD)
        cloner.set_parent(self._are_ours)
        return cloner

    def _fork_some(self, children):
        """Up to the first that can't be forked, and with its error."""
        batch = self.prepare(len(children))
        batch.fill(children)
        kernel.before_fork()
        result, at = runner.run(batch.program.first)
        call = batch.program.call_at(at)
        if call is None:
            self._ended = result, at
            return None
        kernel.after_fork_in_parent()
        return batch.forked(call, result)

    def _slot_at(self, at):
        """The one in whose program this address is; None for what comes after all that differs."""
        used = [slot for slot in self._slots if slot.program is not None]
        return next((slot for slot in used if slot.program.call_at(at) is not None), None)

    def _make_wait(self):
        """What comes last, and is the same for all."""
        steps = plan.Plan()
        steps.step('start')
        steps.call('write', control.EVENTS_FD, ctypes.addressof(self._told), control.WAITING_BYTES)
        steps.call('recvmsg', control.CONTROL_FD, self._inbox.address, 0, least=1)
        return steps.ready()


class Batch:
    """Forks one child for each of these slots."""

    def __init__(self, slots, has_networks):
        self._slots = slots
        self._enters, self._forks = [], []
        steps = plan.Plan()
        for slot in slots:
            if has_networks:
                steps.step('network')
                self._enters.append(steps.call('setns', 0, kernel.CLONE_NEWNET))
            steps.step('fork')
            self._forks.append(steps.fork(slot.cloner))
        self.program = steps.ready()

    def fill(self, children):
        for slot, fork, child in zip(self._slots, self._forks, children):
            slot.fill(child)
            self.program.on_zero(fork, slot.program)
        for enter, child in zip(self._enters, children):
            self.program.fill(enter, 0, child.network)

    def forked(self, call, result):
        """What has been forked, and the error of what has not, when it has come to this call."""
        forked = [slot.cloner.child for slot, fork in zip(self._slots, self._forks) if fork < call]
        return forked if self.program.is_end(call) else [*forked, self.program.failure(call, result)]


class Slot:
    """What one child of a batch is forked and made by."""

    def __init__(self, cloner, settle, follow, told):
        """`follow`: the program that comes when all is settled. `told`: the address of what it is to tell then."""
        self.cloner = cloner
        self.sandbox_id = None
        self.program = None
        self.mapped = None
        self._settle = settle
        self._follow = follow
        self._told = told
        self._programs = {}  # number of files to enter a cgroup by -> program, and what differs in it

    def fill(self, child):
        self.sandbox_id = child.sandbox_id
        self.cloner.set_cgroup(child.cgroup)
        count = len(child.files)
        if count not in self._programs:
            self._programs[count] = self._make(count)
        self.program, fds, self.mapped = self._programs[count]
        for call, fd in zip(fds, [*child.files, *child.fds]):
            self.program.fill(call, 0, fd)

    def _make(self, file_count):
        steps = plan.Plan()
        steps.step('cgroup')
        fds = [steps.call('write', 0, b'0', 1) for _ in range(file_count)]
        fds += spare.add_putting_aside(steps)
        mapped = spare.add_arrival(steps, self._told)
        steps.extend(self._settle)
        way_out = steps.jump()
        program = steps.ready()
        program.on_zero(way_out, self._follow)
        return program, fds, mapped
