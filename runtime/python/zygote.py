"""The root zygote: forks sandboxes, each into namespaces of its own, and reaps what dies.

It is PID 1 of the pid namespace that all sandboxes live in, and runs trusted code only. It goes when its control
socket closes, which is when the worker dies, and the kernel then kills every sandbox.
"""

import sys

# `-I` keeps the script's own directory off the path, and it has to go again before user code runs.
sys.path.insert(0, '/handler')

import baseline  # noqa: F401 (first: it notes what is loaded)
import gc
import json
import os
import select
import signal
import types

import _socket

import control

if sys.version_info < control.OLDEST_PYTHON:
    control.tell_fatal('python', f'the base image has {sys.version.split()[0]}')
    sys.exit(1)

import kernel
import networks
import sandbox

sys.path.remove('/handler')

# Network namespaces are made apart, and children are forked into them.
_NAMESPACES = (
    kernel.CLONE_NEWUSER | kernel.CLONE_NEWPID | kernel.CLONE_NEWNS | kernel.CLONE_NEWIPC | kernel.CLONE_NEWUTS
)


# Control socket, scratch, listener.
_OWN_FDS = 3


class Zygote:
    def __init__(self, settings):
        self._blueprint = sandbox.Blueprint(settings)
        self._control = _socket.socket(fileno=control.CONTROL_FD)
        self._networks = networks.Networks()
        self._cloner = kernel.Cloner(_NAMESPACES, signal.SIGCHLD)
        self._sandboxes = {}  # pid -> id, of those that live

    def run(self):
        wake = self._wake_on_child()
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        poll.register(wake, select.POLLIN)
        control.tell_ready(sys.version.split()[0], sys.implementation.cache_tag)
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
        words, fds = control.receive(self._control)
        if not words:
            os._exit(0)
        if words[0] != b'fork':
            raise ValueError(f'unknown request {words[0]!r}')
        entry, entry_fds = words[1], int(words[2])
        ids_and_uids = [int(word) for word in words[3:]]
        forked = []
        # First all forks, then all that is to be done about each: so the pages that we write to meanwhile are copied
        # once for all of these children, and not once for each.
        for at in range(len(ids_and_uids) // 2):
            first = at * (_OWN_FDS + entry_fds)
            own = fds[first : first + _OWN_FDS]
            of_cgroup = fds[first + _OWN_FDS : first + _OWN_FDS + entry_fds]
            child = self._fork(*ids_and_uids[2 * at : 2 * at + 2], own, entry, of_cgroup)
            if child is not None:
                forked.append(child)
        for fd in fds:
            os.close(fd)
        for child in forked:
            self._let_go_on(*child)

    def _fork(self, sandbox_id, uid, own_fds, entry, entry_fds):
        # The child may go on when its ids are mapped, and that is for us to do: it has no power over them.
        mapped, map_done = os.pipe()
        if entry == b'clone-into':
            self._cloner.set_cgroup(entry_fds[0])
            entry_fds = ()
        try:
            self._networks.enter(sandbox_id)
            pid, pidfd = self._cloner.fork()
        except OSError as error:
            self._networks.give_back(sandbox_id)
            control.tell_failed(sandbox_id, 'fork', error)
            os.close(map_done)
            os.close(mapped)
            return None
        if pid == 0:
            sandbox.run(self._blueprint, sandbox_id, [*own_fds, mapped], entry_fds)
        os.close(mapped)
        return sandbox_id, uid, pid, pidfd, map_done

    def _let_go_on(self, sandbox_id, uid, pid, pidfd, map_done):
        self._sandboxes[pid] = sandbox_id
        try:
            control.send_pidfd(self._control, sandbox_id, pidfd)
            control.tell(control.FORKED, sandbox_id)
            map_ids(pid, uid)
            os.write(map_done, b'1')
        except OSError as error:
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            control.tell_failed(sandbox_id, 'map', error)
        finally:
            os.close(pidfd)
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
                self._networks.give_back(sandbox_id)
                if os.WIFEXITED(status):
                    control.tell(control.EXITED, sandbox_id, os.WEXITSTATUS(status))
                else:
                    control.tell(control.KILLED, sandbox_id, os.WTERMSIG(status))


def map_ids(pid, uid):
    """One id, of no power on the machine, is all that exists in the sandbox's user namespace."""
    ids = b'%d %d 1' % (sandbox.UID, uid)
    for path in (b'/proc/%d/uid_map', b'/proc/%d/gid_map'):
        file = os.open(path % pid, os.O_WRONLY | os.O_CLOEXEC)
        os.write(file, ids)
        os.close(file)


def hide_own_modules():
    """What a function finds by name is the library's and its own. Our code needs no names any more."""
    own = (baseline, control, kernel, networks, sandbox, sandbox.plan, sandbox.server, sandbox.server.compiler, sandbox.server.function, sandbox.server.function.packages)
    for module in own:
        del sys.modules[module.__name__]
    sys.modules['__main__'] = types.ModuleType('__main__')


def main():
    with open(control.SETTINGS_FD, 'rb') as file:
        settings = json.load(file)
    zygote = Zygote(settings)
    # Our own code is in memory by now; from here on nothing of it is to be seen where the handler's will be.
    kernel.detach(b'/handler')
    sys.path_importer_cache.clear()
    hide_own_modules()
    sandbox.server.rehearse()
    # What a handler prints before a crash is to be found in its file.
    sys.stdout.reconfigure(line_buffering=True)
    # What is there now lives for ever: children share its pages, and no collection ever touches them.
    gc.disable()
    gc.collect()
    gc.freeze()
    zygote.run()


main()
