"""From a forked child to a spare: all that a sandbox does before there is a request, which is nobody's yet.

Cgroup, ids, proc, /tmp, scratch, output, capability bounds; then it waits. None of it is done by Python, which the child comes
back to only when it has been told what to do: see `runner.py`.
"""

import os
import signal

import control
import kernel
import plan

# The one user that exists in a sandbox.
UID = 1000

# What a container never needs to read: kernel memory, keys, timers and hardware of the machine.
MASKED = (
    b'/proc/acpi', b'/proc/asound', b'/proc/interrupts', b'/proc/kallsyms', b'/proc/kcore', b'/proc/keys',
    b'/proc/kmsg', b'/proc/latency_stats', b'/proc/sched_debug', b'/proc/scsi', b'/proc/timer_list',
    b'/proc/timer_stats',
)  # fmt: skip

# What a process with power over the machine could change it by.
READ_ONLY = (b'/proc/bus', b'/proc/fs', b'/proc/irq', b'/proc/sys', b'/proc/sysrq-trigger')

_NO_EXEC = kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC
_EMPTY_DIRECTORY = b'/host'  # before scratch is attached there

# Where our descriptors are until user code runs, beyond what a zygote has open. The last one comes with the request.
_SCRATCH_FD = 5
LISTENER_FD = 6
_MAPPED_FD = 7
CODE_FD = 8
PLACES = (control.CONTROL_FD, _SCRATCH_FD, LISTENER_FD, _MAPPED_FD)
# Out of the way of these: one may have the number that another one gets.
_ASIDE = 256

_SIGNAL_SET_BYTES = 8


def add_putting_aside(steps):
    """Returns the number of the call for each of our descriptors: the first argument is to be filled in."""
    steps.step('aside')
    return [steps.call('dup3', 0, _ASIDE + index, 0) for index in range(len(PLACES))]


def add_arrival(steps, told):
    """Our descriptors, which are aside, get their places, and all that we share with the zygote is closed.

    Returns the number of the last call, which waits for our ids to be mapped: what we are to tell when we are ready is then at the
    address `told`. It returns 0 where the zygote could not map them, and has told of it.
    """
    steps.step('scheduling')
    # Until the worker says otherwise we only run when nobody else wants to: a spare is nobody's request.
    steps.call('sched_setscheduler', 0, os.SCHED_IDLE, bytes(4))
    steps.step('descriptors')
    for index, place in enumerate(PLACES):
        steps.call('dup3', _ASIDE + index, place, os.O_CLOEXEC)
    steps.call('close_range', PLACES[-1] + 1, kernel.LAST_FD, 0)
    steps.step('signals')
    # struct sigaction: all 0 is SIG_DFL, and no flags.
    steps.call('rt_sigaction', signal.SIGCHLD, bytes(32), None, _SIGNAL_SET_BYTES)
    steps.step('ids')
    return steps.call('read', _MAPPED_FD, told, control.WAITING_BYTES, least=control.WAITING_BYTES)


def plan_to_settle(settings):
    """All that can be done before there is code."""
    steps = plan.Plan()
    steps.step('ids')
    steps.call('setgroups', 0, None)
    # Capabilities stay over this change: the kernel clears them only when root of the namespace changes its id.
    steps.call('setresgid', UID, UID, UID)
    steps.call('setresuid', UID, UID, UID)
    steps.step('mounts')
    for mount in mounts(settings['tmp_max_mb']):
        steps.call('mount', *mount, about=mount[1])
    steps.attach(_SCRATCH_FD, b'/host')
    steps.step('output')
    steps.redirect(b'/host/stdout', 1, CODE_FD)
    steps.redirect(b'/host/stderr', 2, CODE_FD)
    steps.step('bounds')
    steps.drop_bounding_set()
    return steps


def mounts(tmp_max_mb):
    """Arguments of `mount`."""
    yield b'proc', b'/proc', b'proc', _NO_EXEC, None
    for path in filter(os.path.exists, MASKED):
        yield (_EMPTY_DIRECTORY if os.path.isdir(path) else b'/dev/null'), path, None, kernel.MS_BIND, None
    for path in filter(os.path.exists, READ_ONLY):
        yield path, path, None, kernel.MS_BIND, None
        yield None, path, None, kernel.MS_BIND | kernel.MS_REMOUNT | kernel.MS_RDONLY | _NO_EXEC, None
    tmp = f'size={tmp_max_mb}m,nr_inodes=16384,mode=1777,uid={UID},gid={UID}'
    yield b'tmp', b'/tmp', b'tmpfs', kernel.MS_NOSUID | kernel.MS_NODEV, tmp.encode()
