"""PID 1 of the pid namespace that all zygotes and sandboxes live in. It starts root zygotes, and reaps what one leaves that dies.

When it ends the kernel kills everything in the namespace, and it ends with the worker. What it does is so little that it has no
reason to end before: so a root zygote, which does much, can die, or be killed because it hangs, and its sandboxes go on, their
network too, which the launcher has made and we keep.
"""

import json
import os
import signal
import socket

import control
import kernel

_FIRST_OF_OTHERS = control.EVENTS_FD + 1


def run(settings):
    """In PID 1 of the new namespace; never returns."""
    step = 'proc'
    try:
        enter_root(settings['base'])
        # The router's, the machine's: all that the launcher has opened is for others.
        kernel.close_from(_FIRST_OF_OTHERS)
        step = 'init'
        Init(settings).serve()
    except BaseException as error:
        control.tell_fatal(step, error)
    os._exit(1)


def enter_root(base):
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
    # Fully visible, so that the kernel lets sandboxes mount a proc of their own in their user namespace. But a package
    # zygote, which sees this one, sees no processes but its own and those that it has made.
    flags = kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC
    kernel.mount(b'proc', os.path.join(os.fsencode(base), b'proc'), b'proc', flags, b'hidepid=2')
    kernel.make_root(base)


class Init:
    def __init__(self, settings):
        self._settings = settings
        self._connection = socket.socket(fileno=control.CONTROL_FD)
        self._zygote = None

    def serve(self):
        control.serve(self._connection, self._take_request, self._reap)

    def _take_request(self):
        words, fds = control.receive(self._connection)
        if not words:
            os._exit(0)
        if words[0] != b'root':
            raise ValueError(f'unknown request {words[0]!r}')
        try:
            self._start_zygote(int(words[1]), *fds)
        except OSError as error:
            control.tell_failed(control.ROOT_ID, 'fork', error)
        for fd in fds:
            os.close(fd)

    def _start_zygote(self, generation, connection):
        pid = os.fork()
        if pid == 0:
            become_zygote(self._settings, generation, connection)
        self._zygote = pid
        pidfd = os.pidfd_open(pid)
        try:
            control.send_pidfd(self._connection, control.ROOT_ID, pid, pidfd)
        finally:
            os.close(pidfd)
        control.tell(control.FORKED, control.ROOT_ID)

    def _reap(self):
        for pid, status in ended(-1):
            if pid == self._zygote:
                self._tell_zygote_end(status)
                continue
            if self._zygote is not None:
                # If it was the zygote's, that one has ended: what is told of its end comes first.
                for _, end in ended(self._zygote):
                    self._tell_zygote_end(end)
            control.tell_status(control.REAPED, control.REAPED_KILLED, pid, status)

    def _tell_zygote_end(self, status):
        self._zygote = None
        unmapped = end_unmapped()
        control.tell_status(control.EXITED, control.KILLED, control.ROOT_ID, status)
        for pid, end in unmapped:
            control.tell_status(control.REAPED, control.REAPED_KILLED, pid, end)


def ended(which):
    """Pid and status of each child that has ended, or of this one; each is gone then."""
    while True:
        try:
            pid, status = os.waitpid(which, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        yield pid, status


def end_unmapped():
    """Ends what a zygote has forked and then not told of: the mapping of its ids comes after that. It would end by itself,
    but until then the worker may have given its cgroup to another one."""
    unmapped = [pid for pid in children() if not is_mapped(pid)]
    for pid in unmapped:
        os.kill(pid, signal.SIGKILL)
    return [os.waitpid(pid, 0) for pid in unmapped]


def children():
    for name in os.listdir('/proc'):
        if name.isdigit() and parent_of(name) == 1:
            yield int(name)


def parent_of(pid):
    text = read(f'/proc/{pid}/stat')
    return int(text.rpartition(')')[2].split()[1]) if text else None


def is_mapped(pid):
    return read(f'/proc/{pid}/uid_map') != ''


def read(path):
    """None where that process is gone."""
    try:
        with open(path, encoding='latin-1') as file:
            return file.read()
    except (FileNotFoundError, ProcessLookupError):
        return None


def become_zygote(settings, generation, connection):
    """Runs a root zygote, with the base image's Python. Never returns."""
    try:
        # It takes our code out of its sight, and its sandboxes': the next one needs that.
        kernel.unshare(kernel.CLONE_NEWNS)
        hand_over(settings['zygote'], generation, connection)
        python = settings['python']
        environment = {**settings['environment'], control.BIND_NOW: '1'}
        os.execve(python, [python, '-I', '-S', '-B', '-X', 'utf8', '/handler/zygote.py'], environment)
    except BaseException as error:
        control.tell_fatal('exec', error)
    os._exit(1)


def hand_over(settings, generation, connection):
    """Leaves the settings in a memory file, where the zygote finds them after exec, and its descriptors in their places."""
    os.dup2(connection, control.CONTROL_FD)
    memory = os.memfd_create('settings', 0)
    os.write(memory, json.dumps({**settings, 'generation': generation}).encode())
    os.lseek(memory, 0, os.SEEK_SET)
    if memory != control.SETTINGS_FD:
        os.dup2(memory, control.SETTINGS_FD)
    for fd in (control.CONTROL_FD, control.EVENTS_FD, control.SETTINGS_FD):
        os.set_inheritable(fd, True)
