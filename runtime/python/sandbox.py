"""From a forked child to a sandbox: the privileged steps, in order, each before any user code.

Made ahead of time (a spare): ids, proc, /tmp, loopback, capability bounds, limits. On request: code and scratch
attached, output redirected, the last capabilities dropped, the seccomp filter loaded. Then the handler is served.
"""

import fcntl
import gc
import os
import resource
import signal
import socket
import struct
import sys
import time

import control
import kernel
import server

# The one user that exists in a sandbox.
UID = 1000

# What a container never needs to read: kernel memory, keys, timers and hardware of the machine.
MASKED = (
    '/proc/acpi', '/proc/asound', '/proc/interrupts', '/proc/kallsyms', '/proc/kcore', '/proc/keys', '/proc/kmsg',
    '/proc/latency_stats', '/proc/sched_debug', '/proc/scsi', '/proc/timer_list', '/proc/timer_stats',
)  # fmt: skip

# What a process with power over the machine could change it by.
READ_ONLY = ('/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger')

_NO_EXEC = kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC
_EMPTY_DIRECTORY = '/host'  # before scratch is attached there

_SIOCSIFFLAGS = 0x8914
_IFF_UP_RUNNING = 0x41

_LISTENER_FD = 3


def run(settings, sandbox_id, connection, mapped):
    """Never returns. `connection` brings the start request; `mapped` tells when our ids are mapped."""
    step = 'descriptors'
    try:
        connection, mapped = keep_descriptors(connection, mapped)
        reset_signals()
        step = 'ids'
        take_ids(mapped)
        step = 'mounts'
        mount_own(settings)
        step = 'loopback'
        loopback_up()
        step = 'bounds'
        kernel.drop_capability_bounds(settings['capabilities'])
        set_limits()
        control.emit('waiting', id=sandbox_id)
        step = 'start'
        fds = wait_for_start(connection)
        times = [time.monotonic_ns()]
        step = 'attach'
        attach(fds)
        times.append(time.monotonic_ns())
        step = 'drop'
        kernel.drop_capabilities()
        # After the change of ids /proc/self belongs to root; a program may look at itself.
        kernel.prctl(kernel.PR_SET_DUMPABLE, 1)
        settings['seccomp'].load()
        times.append(time.monotonic_ns())
        if settings['timing']:
            control.emit('started', id=sandbox_id, times=times)
    except BaseException as error:
        control.emit_failure(sandbox_id, step, error)
        os._exit(1)
    kernel.close_from(_LISTENER_FD + 1)
    gc.enable()
    server.serve(socket.socket(fileno=_LISTENER_FD))


def keep_descriptors(connection, mapped):
    """Closes all that we share with the zygote but stdio and the event stream."""
    os.dup2(connection, control.CONTROL_FD, inheritable=False)
    os.dup2(mapped, control.SETTINGS_FD, inheritable=False)
    kernel.close_from(control.SETTINGS_FD + 1)
    return socket.socket(fileno=control.CONTROL_FD), control.SETTINGS_FD


def reset_signals():
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)


def take_ids(mapped):
    if os.read(mapped, 1) != b'1':
        os._exit(1)  # the zygote has told why
    os.close(mapped)
    os.setgroups([])
    # Capabilities stay over this change: the kernel clears them only when root of the namespace changes its id.
    os.setresgid(UID, UID, UID)
    os.setresuid(UID, UID, UID)


def mount_own(settings):
    kernel.mount('proc', '/proc', 'proc', _NO_EXEC)
    for path in settings['masked']:
        source = _EMPTY_DIRECTORY if os.path.isdir(path) else '/dev/null'
        kernel.mount(source, path, None, kernel.MS_BIND)
    for path in settings['read_only']:
        kernel.mount(path, path, None, kernel.MS_BIND)
        kernel.mount(None, path, None, kernel.MS_BIND | kernel.MS_REMOUNT | kernel.MS_RDONLY | _NO_EXEC)
    options = f'size={settings["tmp_max_mb"]}m,nr_inodes=16384,mode=1777,uid={UID},gid={UID}'
    kernel.mount('tmp', '/tmp', 'tmpfs', kernel.MS_NOSUID | kernel.MS_NODEV, options)


def loopback_up():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack('16sh14x', b'lo', _IFF_UP_RUNNING)
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, request)


def set_limits():
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def wait_for_start(connection):
    request, fds = control.receive(connection)
    if request is None:
        os._exit(0)  # a spare that is not needed any more
    connection.close()
    return fds


def attach(fds):
    code, scratch, listener = fds
    kernel.attach(code, '/handler')
    kernel.attach(scratch, '/host')
    os.chdir('/handler')
    redirect('stdout', 1)
    redirect('stderr', 2)
    os.dup2(listener, _LISTENER_FD, inheritable=False)
    # What is printed before a crash is to be found in the files.
    sys.stdout.reconfigure(line_buffering=True)


def redirect(name, fd):
    """Opened here and not by the worker, so that no path of the machine shows in /proc/self/fd."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    file = os.open(f'/host/{name}', flags, 0o644)
    os.dup2(file, fd)
    os.close(file)
