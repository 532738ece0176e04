"""From a forked child to a sandbox: the privileged steps, in order, each before any user code.

Made ahead of time (a spare): cgroup, ids, proc, /tmp, scratch, output, capability bounds, limits. On
request: code attached, the last capabilities dropped, the seccomp filter loaded. Then the handler is served.

Every page that is written to here is one that this sandbox shares with no other. So all that can be made beforehand
is in the blueprint, and the C modules below are used directly: their wrappers in Python are mostly about enums.
"""

import base64
import fcntl
import gc
import os
import resource
import time

import _signal
import _socket

import control
import kernel
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

_OUTPUT_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC

# Where our descriptors are until user code runs, and beyond what a zygote has open.
_SCRATCH_FD = 5
_LISTENER_FD = 6
_MAPPED_FD = 7
_ASIDE = 256

_NO_PRIORITY = os.sched_param(0)


class Blueprint:
    """What is the same in every sandbox, in the form in which it is used."""

    def __init__(self, settings):
        self.seccomp = kernel.SeccompFilter(base64.b64decode(settings['seccomp']))
        self.timing = settings['timing']
        self.limits = (
            (resource.RLIMIT_CORE, 0),
            (resource.RLIMIT_FSIZE, settings['file_max_mb'] * 1024 * 1024),
            (resource.RLIMIT_NOFILE, min(settings['open_files_max'], resource.getrlimit(resource.RLIMIT_NOFILE)[1])),
        )
        with open('/proc/sys/kernel/cap_last_cap') as file:
            self.capabilities = int(file.read()) + 1
        tmp = f'size={settings["tmp_max_mb"]}m,nr_inodes=16384,mode=1777,uid={UID},gid={UID}'
        self.mounts = [
            (b'proc', b'/proc', b'proc', _NO_EXEC, None),
            *(mount for path in MASKED if os.path.exists(path) for mount in mask(path)),
            *(mount for path in READ_ONLY if os.path.exists(path) for mount in make_read_only(path)),
            (b'tmp', b'/tmp', b'tmpfs', kernel.MS_NOSUID | kernel.MS_NODEV, tmp.encode()),
        ]


def mask(path):
    source = _EMPTY_DIRECTORY if os.path.isdir(path) else b'/dev/null'
    yield source, path, None, kernel.MS_BIND, None


def make_read_only(path):
    yield path, path, None, kernel.MS_BIND, None
    yield None, path, None, kernel.MS_BIND | kernel.MS_REMOUNT | kernel.MS_RDONLY | _NO_EXEC, None


def run(blueprint, sandbox_id, fds, cgroup_files):
    """Never returns. `fds`: where the start request comes from, scratch, the listener, and what tells when our ids are
    mapped. We enter our cgroup by writing to each of `cgroup_files`."""
    step = 'scheduling'
    try:
        # Until the worker says otherwise we only run when nobody else wants to: a spare is nobody's request.
        os.sched_setscheduler(0, os.SCHED_IDLE, _NO_PRIORITY)
        step = 'cgroup'
        for file in cgroup_files:
            os.write(file, b'0')
        step = 'descriptors'
        connection = keep_descriptors(fds)
        reset_signals()
        step = 'ids'
        take_ids()
        step = 'mounts'
        for mount in blueprint.mounts:
            kernel.mount(*mount)
        kernel.attach(_SCRATCH_FD, b'/host')
        step = 'output'
        redirect('/host/stdout', 1)
        redirect('/host/stderr', 2)
        step = 'bounds'
        kernel.drop_capability_bounds(blueprint.capabilities)
        for limit, value in blueprint.limits:
            resource.setrlimit(limit, (value, value))
        control.tell(control.WAITING, sandbox_id)
        step = 'start'
        what, code = wait_for_start(connection)
        woken = time.monotonic_ns()
        step = 'attach'
        kernel.attach(code, b'/handler')
        os.chdir('/handler')
        attached = time.monotonic_ns()
        step = 'drop'
        kernel.drop_capabilities()
        # After the change of ids /proc/self belongs to root; a program may look at itself.
        kernel.prctl(kernel.PR_SET_DUMPABLE, 1)
        blueprint.seccomp.load()
        if blueprint.timing:
            control.tell(control.STARTED, sandbox_id, woken, attached, time.monotonic_ns())
    except BaseException as error:
        control.tell_failed(sandbox_id, step, error)
        os._exit(1)
    # In the place of the control socket, below everything else that is open.
    os.dup2(_LISTENER_FD, control.CONTROL_FD, inheritable=False)
    kernel.close_from(control.CONTROL_FD + 1)
    gc.enable()
    listener = _socket.socket(fileno=control.CONTROL_FD)
    if what == b'compile':
        server.serve_compiled(listener)
    server.serve(listener)


def keep_descriptors(fds):
    """Closes all that we share with the zygote but stdio and the event stream; what is ours gets its place."""
    # First out of the way: one may have the number that another one gets.
    aside = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _ASIDE) for fd in fds]
    for fd, place in zip(aside, (control.CONTROL_FD, _SCRATCH_FD, _LISTENER_FD, _MAPPED_FD)):
        os.dup2(fd, place, inheritable=False)
    kernel.close_from(_MAPPED_FD + 1)
    return _socket.socket(fileno=control.CONTROL_FD)


def reset_signals():
    _signal.set_wakeup_fd(-1)
    _signal.signal(_signal.SIGCHLD, _signal.SIG_DFL)


def take_ids():
    if os.read(_MAPPED_FD, 1) != b'1':
        os._exit(1)  # the zygote has told why
    os.setgroups([])
    # Capabilities stay over this change: the kernel clears them only when root of the namespace changes its id.
    os.setresgid(UID, UID, UID)
    os.setresuid(UID, UID, UID)


def wait_for_start(connection):
    words, fds = control.receive(connection)
    if not words:
        os._exit(0)  # a spare that is not needed any more
    connection.detach()
    return words[0], fds[0]


def redirect(path, fd):
    """Opened here and not by the worker, so that no path of the machine shows in /proc/self/fd."""
    file = os.open(path, _OUTPUT_FLAGS)
    os.dup2(file, fd)
    os.close(file)
