"""The root zygote: forks sandboxes, each into namespaces of its own, and reaps what dies.

It is PID 1 of the pid namespace that all sandboxes live in, and runs trusted code only. It goes when its control
socket closes, which is when the worker dies, and the kernel then kills every sandbox.
"""

import sys

# `-I` keeps the script's own directory off the path, and it has to go again before user code runs.
sys.path.insert(0, '/handler')

import baseline  # noqa: F401 (first: it notes what is loaded)
import base64
import gc
import json
import os
import select
import signal
import socket
import types

import control

if sys.version_info < control.OLDEST_PYTHON:
    control.emit('fatal', step='python', error=f'the base image has {sys.version.split()[0]}')
    sys.exit(1)

import kernel
import sandbox

sys.path.remove('/handler')

_NAMESPACES = (
    kernel.CLONE_NEWUSER
    | kernel.CLONE_NEWPID
    | kernel.CLONE_NEWNS
    | kernel.CLONE_NEWIPC
    | kernel.CLONE_NEWUTS
    | kernel.CLONE_NEWNET
)


class Zygote:
    def __init__(self, settings):
        self._settings = settings
        self._control = socket.socket(fileno=control.CONTROL_FD)
        self._sandboxes = {}  # pid -> id, of those that live

    def run(self):
        wake = self._wake_on_child()
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        poll.register(wake, select.POLLIN)
        control.emit('ready', python=sys.version.split()[0])
        while True:
            for fd, _events in poll.poll():
                if fd == wake:
                    os.read(wake, 4096)
                    self._reap()
                else:
                    self._take_request()

    def _wake_on_child(self):
        wake, signalled = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(signalled, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        return wake

    def _take_request(self):
        request, fds = control.receive(self._control)
        if request is None:
            os._exit(0)
        if request['op'] != 'fork':
            raise ValueError(f'unknown request {request}')
        self._fork(request['id'], request['uid'], fds[0])
        os.close(fds[0])

    def _fork(self, sandbox_id, uid, connection):
        # The child may go on when its ids are mapped, and that is for us to do: it has no power over them.
        mapped, map_done = os.pipe()
        try:
            pid, pidfd = kernel.clone(_NAMESPACES, signal.SIGCHLD)
            if pid == 0:
                sandbox.run(self._settings, sandbox_id, connection, mapped)
            self._sandboxes[pid] = sandbox_id
            try:
                map_ids(pid, uid)
                control.send_pidfd(self._control, sandbox_id, pidfd)
                os.write(map_done, b'1')
            except OSError:
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)
                raise
            finally:
                os.close(pidfd)
            control.emit('forked', id=sandbox_id)
        except OSError as error:
            control.emit_failure(sandbox_id, 'fork', error)
        finally:
            os.close(mapped)
            os.close(map_done)

    def _reap(self):
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            sandbox_id = self._sandboxes.pop(pid, None)
            if sandbox_id is not None:
                exited = os.WIFEXITED(status)
                control.emit(
                    'exit',
                    id=sandbox_id,
                    code=os.WEXITSTATUS(status) if exited else None,
                    signal=None if exited else os.WTERMSIG(status),
                )


def map_ids(pid, uid):
    """One id, of no power on the machine, is all that exists in the sandbox's user namespace."""
    for name in ('uid_map', 'gid_map'):
        with open(f'/proc/{pid}/{name}', 'wb', buffering=0) as file:
            file.write(b'%d %d 1' % (sandbox.UID, uid))


def hide_own_modules():
    """What a function finds by name is the library's and its own. Our code needs no names any more."""
    for module in (baseline, control, kernel, sandbox, sandbox.server):
        del sys.modules[module.__name__]
    sys.modules['__main__'] = types.ModuleType('__main__')


def main():
    with open(control.SETTINGS_FD, 'rb') as file:
        settings = json.load(file)
    settings['seccomp'] = kernel.SeccompFilter(base64.b64decode(settings['seccomp']))
    settings['masked'] = [path for path in sandbox.MASKED if os.path.exists(path)]
    settings['read_only'] = [path for path in sandbox.READ_ONLY if os.path.exists(path)]
    with open('/proc/sys/kernel/cap_last_cap') as file:
        settings['capabilities'] = int(file.read()) + 1
    # Our own code is in memory by now; from here on nothing of it is to be seen where the handler's will be.
    kernel.detach('/handler')
    sys.path_importer_cache.clear()
    hide_own_modules()
    # What is there now lives for ever: children share its pages, and no collection ever touches them.
    gc.disable()
    gc.collect()
    gc.freeze()
    Zygote(settings).run()


main()
