"""Forks spares, several at once: all forks of a batch, and all that each child does until it is a sandbox, is one program.

What forks them is the root zygote's template, where there is one (`template.py`). A package zygote forks its spares itself, and what it
writes to between two forks is a page that the one before no longer shares with the ones after. So it writes to none: the pages that
differ from batch to batch are shared by the whole batch.
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
import template

# A sandbox's network namespace is made apart, and it is forked into it. The ipc namespace is ours: a sandbox can make no call that
# has to do with it (`src/sandbox/sock/seccomp/profile.ts`).
NAMESPACES = kernel.CLONE_NEWUSER | kernel.CLONE_NEWPID | kernel.CLONE_NEWNS | kernel.CLONE_NEWUTS

_OWN_NETWORK = '/proc/self/ns/net'


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

    def __init__(self, settle, start, hot_pages, has_networks, room):
        """`settle`: the plan that all have in common. `start`: what follows when a request to start has come. `has_networks`: whether
        children have network namespaces of their own. `room`: the arena of all that differs from child to child."""
        self._settle = settle
        self._hot_pages = hot_pages
        self._room = room
        # Without machine code there would be Python in it.
        home = os.open(_OWN_NETWORK, os.O_RDONLY | os.O_CLOEXEC) if has_networks else None
        self.template = template.Template(room, home) if runner.is_native() else None
        self._inbox = control.Inbox()
        self._told = ctypes.create_string_buffer(control.WAITING_BYTES)
        self._received, self._wait = self._make_wait(start)
        hot_pages.go_on_with(self._wait)
        heads = room.next
        self._slots = [Slot(room) for _ in range(control.MAX_FORKS)]
        if self.template is not None:
            self.template.report_until(room.next)
        self._batches = [Batch(self._slots[: count + 1], has_networks, room) for count in range(control.MAX_FORKS)]
        self._region = heads, room.next - heads
        self._programs = {}  # number of files to enter a cgroup by -> what follows the fork in each slot
        self._file_count = None
        self._set_parent(is_ours=self.template is None)
        for batch in self._batches:
            batch.end_with(None if self.template is None else self.template.tail)
        self._ended = None  # in a child that has not arrived: the result of its last call, and where it ended

    def become_package_zygote(self, is_parent):
        """Whether children from now on are our own, or those of our parent. There is no template: that is the root zygote's."""
        self.template = None
        self._set_parent(is_parent)
        for batch in self._batches:
            batch.end_with(None)

    def _set_parent(self, is_ours):
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

    def warm_up(self):
        """The pages that are copied ahead are others than before."""
        if self.template is None or self.template.pid is None:
            return
        try:
            self.template.run(self.template.tail, [self._hot_pages.region])
        except template.Gone:
            pass  # the next one is a copy of what is here

    @property
    def message(self):
        """In a child: where its request is, as an array of bytes of length 1."""
        return self._inbox.message

    def lock(self):
        """In a child that has been told to start: its lock's name."""
        return self._inbox.take()[1]

    def request(self):
        """In a child: the words of the request. Where it is to start, all of `start` is done. Raises plan.Failed where it has not come so
        far, and ends the process where nobody has a use for it any more."""
        result, at = self._ended
        call = self._wait.call_at(at)
        if call is None:
            slot = self._slot_at(at)
            call = slot.program.call_at(at)
            if call == slot.mapped and result == 0:
                os._exit(1)  # the zygote has told why
            raise slot.program.failure(call, result)
        if call == self._received and result == 0:
            os._exit(0)  # a spare that is not needed any more
        # Another request than to start is too short to go on with.
        if not self._wait.is_end(call) and (call != self._received or result < 0):
            raise self._wait.failure(call, result)
        return self._inbox.take()

    def own_id(self):
        """In a child: its id."""
        slot = None if self._ended is None else self._slot_at(self._ended[1])
        return json.loads(self._told.raw)['id'] if slot is None else slot.sandbox_id

    def _fork_some(self, children):
        """Up to the first that can't be forked, and with its error."""
        count = len(children)
        self._use(len(children[0].files))
        batch = self._batches[count - 1]
        batch.fill(children)
        try:
            result, at = self._fork_directly(batch) if self.template is None else self._fork_by_template(batch, count)
        except OSError as error:
            return [error] * count
        call = batch.program.call_at(at)
        if call is None:
            self._ended = result, at
            return None
        return batch.forked(call, result)

    def _fork_directly(self, batch):
        kernel.before_fork()
        result, at = runner.run(batch.program.first)
        if batch.program.call_at(at) is not None:
            kernel.after_fork_in_parent()
        return result, at

    def _fork_by_template(self, batch, count):
        """The same. Raises OSError where there is no template, or it has ended and nobody knows what was forked by then."""
        if self.template.pid is None:
            in_child = self.template.start()
            if in_child is not None:
                return in_child
        start, length = self._slots[0].program.region
        failure = self.template.run(batch.program, [self._region, (start, count * length)])
        return (0, batch.end) if failure is None else failure

    def _use(self, file_count):
        """Children enter their cgroups by so many files. What a template was made with is what its children know of."""
        if file_count == self._file_count:
            return
        self._file_count = file_count
        if file_count not in self._programs:
            told = ctypes.addressof(self._told)
            made = [slot.make(file_count, self._settle, self._hot_pages, told, self._room) for slot in self._slots]
            self._programs[file_count] = made
        for slot, program in zip(self._slots, self._programs[file_count]):
            slot.use(program)
        if self.template is not None:
            self.template.end()

    def _slot_at(self, at):
        """The one in whose program this address is; None for what comes after all that differs."""
        used = [slot for slot in self._slots if slot.program is not None]
        return next((slot for slot in used if slot.program.call_at(at) is not None), None)

    def _make_wait(self, start):
        """What comes last, and is the same for all. Returns the number of the call that receives the request, and the program."""
        steps = plan.Plan()
        steps.step('start')
        steps.call('write', control.EVENTS_FD, ctypes.addressof(self._told), control.WAITING_BYTES)
        received = steps.call('recvmsg', control.CONTROL_FD, self._inbox.address, 0, least=control.START_BYTES)
        steps.extend(start)
        steps.call('getpid', least=template.ARRIVED)
        return received, steps.ready()


class Batch:
    """Forks one child for each of these slots."""

    def __init__(self, slots, has_networks, room):
        self._slots = slots
        self._enters, self._forks = [], []
        steps = plan.Plan()
        for slot in slots:
            if has_networks:
                steps.step('network')
                self._enters.append(steps.call('setns', 0, kernel.CLONE_NEWNET))
            steps.step('fork')
            self._forks.append(steps.fork(slot.cloner))
        self._last = steps.jump()
        self.program = steps.ready(room)

    @property
    def end(self):
        """The address of where it ends, when all have been forked."""
        return self.program.address_of(self._last)

    def end_with(self, program):
        """That comes after it; with None nothing."""
        self.program.on_zero(self._last, program)

    def fill(self, children):
        for slot, fork, child in zip(self._slots, self._forks, children):
            slot.fill(child)
            self.program.on_zero(fork, slot.program)
        for enter, child in zip(self._enters, children):
            self.program.fill(enter, 0, child.network)

    def forked(self, call, result):
        """What has been forked, and the error of what has not, when it has come to this call."""
        forked = [slot.cloner.child for slot, fork in zip(self._slots, self._forks) if fork < call]
        return forked if call == self._last else [*forked, self.program.failure(call, result)]


class Slot:
    """What one child of a batch is forked and made by."""

    def __init__(self, room):
        self._id = room.words(1)
        self.cloner = kernel.Cloner(NAMESPACES, signal.SIGCHLD, room)
        self.program = None
        self.mapped = None
        self._fds = ()

    @property
    def sandbox_id(self):
        return self._id[0]

    def use(self, made):
        self.program, self._fds, self.mapped = made

    def fill(self, child):
        self._id[0] = child.sandbox_id
        self.cloner.set_cgroup(child.cgroup)
        for call, fd in zip(self._fds, [*child.files, *child.fds]):
            self.program.fill(call, 0, fd)

    def make(self, file_count, settle, follow, told, room):
        """What follows the fork. `follow`: the program that comes when all is settled. `told`: the address of what it is to tell then."""
        steps = plan.Plan()
        steps.step('cgroup')
        fds = [steps.call('write', 0, b'0', 1) for _ in range(file_count)]
        fds += spare.add_putting_aside(steps)
        mapped = spare.add_arrival(steps, told)
        steps.extend(settle)
        way_out = steps.jump()
        program = steps.ready(room)
        program.on_zero(way_out, follow)
        return program, fds, mapped
