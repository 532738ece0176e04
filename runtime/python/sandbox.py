"""From a forked child to a sandbox: the privileged steps, in order, each before any user code.

Made ahead of time (a spare): cgroup, ids, proc, /tmp, scratch, output, capability bounds, limits. On
request: code attached, the last capabilities dropped, the seccomp filter loaded. Then the handler is served.

Every page that is written to here is one that this sandbox shares with no other. So all that can be made beforehand
is in the blueprint, and the C modules below are used directly: their wrappers in Python are mostly about enums.
"""

import base64
import gc
import os
import resource
import struct
import time

import _signal
import _socket

import control
import fresh
import hot_pages
import kernel
import package_zygote
import plan
import server

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
_LISTENER_FD = 6
_MAPPED_FD = 7
_CODE_FD = 8
_OWN_FDS = (control.CONTROL_FD, _SCRATCH_FD, _LISTENER_FD, _MAPPED_FD)
# Out of the way of these: one may have the number that another one gets.
_ASIDE = 256


class Blueprint:
    """What is the same in every sandbox, ready to be carried out."""

    def __init__(self, settings):
        self.timing = settings['timing']
        self.is_network_shared = settings['network'] == 'host'
        self.arrive = plan_to_arrive()
        self.settle = plan_to_settle(settings)
        self.attach = plan_to_attach()
        usual = plan_to_limit(settings, settings['file_max_mb'])
        # What it is told to do, and what bounds it then.
        self.limit = {
            b'start': usual,
            b'compile': usual,
            b'install': plan_to_limit(settings, settings['install_file_max_mb']),
        }
        self.drop = plan_to_drop(base64.b64decode(settings['seccomp']))
        self.leave = plan_to_leave()
        self.hot_pages = hot_pages.HotPages()
        self.zygote = package_zygote.Blueprint(settings, base64.b64decode(settings['zygote_seccomp']))


def plan_to_arrive():
    """Our descriptors, which are aside, get their places, and all that we share with the zygote is closed."""
    steps = plan.Plan()
    steps.step('scheduling')
    # Until the worker says otherwise we only run when nobody else wants to: a spare is nobody's request.
    steps.call('sched_setscheduler', 0, os.SCHED_IDLE, bytes(4))
    steps.step('descriptors')
    for index, place in enumerate(_OWN_FDS):
        steps.call('dup3', _ASIDE + index, place, os.O_CLOEXEC)
    steps.system_call('close_range', kernel.SYS_CLOSE_RANGE, _OWN_FDS[-1] + 1, kernel.LAST_FD, 0)
    return steps


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
    steps.redirect(b'/host/stdout', 1, _CODE_FD)
    steps.redirect(b'/host/stderr', 2, _CODE_FD)
    steps.step('bounds')
    steps.drop_bounding_set()
    return steps


def plan_to_limit(settings, file_max_mb):
    steps = plan.Plan()
    steps.step('limits')
    for limit, value in limits(settings, file_max_mb):
        steps.call('setrlimit', limit, struct.pack('QQ', value, value), about=limit)
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


def limits(settings, file_max_mb):
    yield resource.RLIMIT_CORE, 0
    yield resource.RLIMIT_FSIZE, file_max_mb * 1024 * 1024
    yield resource.RLIMIT_NOFILE, min(settings['open_files_max'], resource.getrlimit(resource.RLIMIT_NOFILE)[1])


def plan_to_attach():
    steps = plan.Plan()
    steps.step('attach')
    steps.attach(_CODE_FD, b'/handler')
    steps.call('chdir', b'/handler')
    return steps


def plan_to_drop(seccomp):
    """The last capabilities go, and the filter for system calls comes."""
    steps = plan.Plan()
    steps.step('drop')
    steps.call('prctl', kernel.PR_CAP_AMBIENT, kernel.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0, about='PR_CAP_AMBIENT')
    # Of the calling thread, and empty: effective, permitted and inheritable, in two halves.
    steps.call('capset', struct.pack('Ii', kernel.CAPABILITY_VERSION_3, 0), bytes(24))
    # After the change of ids /proc/self belongs to root; a program may look at itself.
    steps.call('prctl', kernel.PR_SET_DUMPABLE, 1, 0, 0, 0, about='PR_SET_DUMPABLE')
    steps.call('prctl', kernel.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, about='PR_SET_NO_NEW_PRIVS')
    steps.load_filter(seccomp)
    return steps


def plan_to_leave():
    """The listener takes the place of the control socket, below everything else that is open, which is closed."""
    steps = plan.Plan()
    steps.step('leave')
    steps.call('dup3', _LISTENER_FD, control.CONTROL_FD, os.O_CLOEXEC)
    steps.system_call('close_range', kernel.SYS_CLOSE_RANGE, control.CONTROL_FD + 1, kernel.LAST_FD, 0)
    return steps


def run(blueprint, sandbox_id, fds, cgroup_files):
    """Never returns. `fds`: where the start request comes from, scratch, the listener, and what tells when our ids are
    mapped. We enter our cgroup by writing to each of `cgroup_files`."""
    step = 'cgroup'
    try:
        for file in cgroup_files:
            os.write(file, b'0')
        step = 'aside'
        for index, fd in enumerate(fds):
            os.dup2(fd, _ASIDE + index)
        blueprint.arrive.run()
        step = 'signals'
        _signal.set_wakeup_fd(-1)
        _signal.signal(_signal.SIGCHLD, _signal.SIG_DFL)
        step = 'ids'
        if os.read(_MAPPED_FD, 1) != b'1':
            os._exit(1)  # the zygote has told why
        step = 'fresh'
        fresh.make_fresh()
        blueprint.settle.run()
        step = 'start'
        control.tell(control.WAITING, sandbox_id)
        blueprint.hot_pages.copy()
        task, lock = wait_for_start()
        woken = time.monotonic_ns()
        blueprint.attach.run()
        blueprint.limit[task].run()
        attached = time.monotonic_ns()
        blueprint.drop.run()
        if blueprint.timing:
            control.tell(control.STARTED, sandbox_id, woken, attached, time.monotonic_ns())
        blueprint.leave.run()
    except BaseException as error:
        control.tell_failed(sandbox_id, getattr(error, 'step', step), error)
        os._exit(1)
    gc.enable()
    listener = unix_socket(_socket.SOCK_STREAM)
    if task == b'compile':
        server.serve_compiled(listener)
    server.serve(listener, lock)


def wait_for_start():
    """Returns the task and the lock; the code that comes with them is at its place."""
    connection = unix_socket(_socket.SOCK_SEQPACKET)
    words, fds = control.receive(connection)
    if not words:
        os._exit(0)  # a spare that is not needed any more
    if fds != [_CODE_FD]:
        raise ValueError(f'descriptors {fds} came with {words}')
    connection.detach()
    return words


def unix_socket(kind):
    """The one at the lowest of our descriptors. Told what it is, Python does not ask the kernel."""
    return _socket.socket(_socket.AF_UNIX, kind, 0, control.CONTROL_FD)
