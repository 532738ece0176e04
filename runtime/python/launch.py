"""Makes the place that sandboxes live in: the process that the worker spawns, with the machine's own Python.

It makes the namespaces, builds the root that every sandbox will see, and forks PID 1 of the sandboxes' pid namespace
(`init.py`), which starts the root zygote. Settings come as JSON on stdin; `control.py` has the descriptors.
This process stays, waits for that one, and ends as it did, so that the worker sees how.
"""

import json
import os
import resource
import signal
import socket
import stat
import sys
import time

# `-I` keeps the script's own directory off the path.
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import control
import init
import kernel
import resolver
import router

_NAMESPACES = kernel.CLONE_NEWNS | kernel.CLONE_NEWIPC | kernel.CLONE_NEWUTS | kernel.CLONE_NEWPID
_RESOLVER_AGAIN_S = 0.1

# name, minor number; all have major number 1 (memory devices) and are harmless.
_DEVICES = ((b'null', 3), (b'zero', 5), (b'full', 7), (b'random', 8), (b'urandom', 9))
_DEVICE_LINKS = (
    (b'fd', b'/proc/self/fd'),
    (b'stdin', b'/proc/self/fd/0'),
    (b'stdout', b'/proc/self/fd/1'),
    (b'stderr', b'/proc/self/fd/2'),
    (b'shm', b'/tmp'),
)


def main():
    with open(0) as stdin:
        settings = json.load(stdin)
    os.open('/dev/null', os.O_RDWR)  # descriptor 0, the lowest that is free: stdin of every sandbox
    os.set_inheritable(0, True)
    require_python()
    raise_descriptor_limit()
    die_with_worker(settings['worker_pid'])
    own_pids = os.open('/proc/self/ns/pid', os.O_RDONLY | os.O_CLOEXEC)
    step = 'network'
    try:
        own_router = enter_network(settings['network'])
        step = 'unshare'
        kernel.unshare(_NAMESPACES)
        socket.sethostname('sandbox')
        step = 'root'
        build_root(settings)
        step = 'fork'
        pid = os.fork()
    except OSError as error:
        control.tell_fatal(step, error)
        sys.exit(1)
    if pid == 0:
        init.run(settings)
    os.close(control.CONTROL_FD)
    control.tell(control.LAUNCHED, pid)
    # What else is forked here is none of the sandboxes' processes.
    kernel.set_namespace(own_pids, kernel.CLONE_NEWPID)
    end_like(wait_for(pid, own_router, settings['network']['resolver_uid']))


def enter_network(network):
    """Goes where PID 1 and the root zygotes are to be; returns the router, where there is one."""
    if network['kind'] == 'nat':
        return router.Router(network)
    if network['kind'] == 'none':
        kernel.unshare(kernel.CLONE_NEWNET)
    return None


def wait_for(first, own_router, resolver_uid):
    """How PID 1 of the sandboxes has ended. Until then there is a resolver of names, where there is a router."""
    names = None
    while True:
        if names is None and own_router is not None:
            names = resolver.start(own_router, resolver_uid)
        pid, status = os.waitpid(-1, 0)
        if pid == first:
            return status
        if pid == names:
            names = None
            time.sleep(_RESOLVER_AGAIN_S)


def require_python():
    if sys.version_info < control.OLDEST_PYTHON:
        control.tell_fatal('python', f'{sys.executable} is {sys.version.split()[0]}')
        sys.exit(1)


def raise_descriptor_limit():
    """To what the machine allows, as Node does for the worker, whose own limit somebody may have lowered since."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def die_with_worker(worker):
    """Binds our life to the worker's: the kernel kills us when it dies, however it dies."""
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != worker:
        sys.exit('the worker died while the root zygote started')


def build_root(settings):
    """Attaches the base image over itself, and in it the machine's directories, the packages, /dev and our code."""
    base = os.fsencode(settings['base'])
    # From here on no mount that we make reaches the machine's namespace.
    kernel.mount(None, b'/', None, kernel.MS_REC | kernel.MS_PRIVATE)
    binds = [(f'/{name}', name) for name in settings['binds']]
    binds += [(settings['packages'], 'packages'), (settings['runtime'], 'handler')]
    kernel.bind_read_only(base, base)
    for source, target in binds:
        kernel.bind_read_only(os.fsencode(source), os.path.join(base, os.fsencode(target)))
    make_devices(os.path.join(base, b'dev'))
    if settings['network']['resolv_conf'] is not None:
        name_servers(base, settings['network']['resolv_conf'].encode())


def name_servers(base, text):
    """The image says nothing of name servers, as it can be used with a network and without. Where there is one, we say it."""
    target = os.path.join(base, b'etc/resolv.conf')
    for path, is_right in ((os.path.dirname(target), stat.S_ISDIR), (target, stat.S_ISREG)):
        if not is_right(os.lstat(path).st_mode):  # a link could lead out of the image
            raise OSError(0, 'what is there is a link, or something else that it should not be', path)
    tmp = os.path.join(base, b'tmp')
    kernel.mount(b'tmp', tmp, b'tmpfs', kernel.MS_NOSUID | kernel.MS_NODEV, b'mode=0755,size=64k,nr_inodes=16')
    source = os.path.join(tmp, b'resolv.conf')
    with open(source, 'xb') as file:
        file.write(text)
    os.chmod(source, 0o644)
    kernel.bind_read_only(source, target)
    kernel.detach(tmp)


def make_devices(dev):
    flags = kernel.MS_NOSUID | kernel.MS_NOEXEC
    kernel.mount(b'dev', dev, b'tmpfs', flags, b'mode=0755,size=64k,nr_inodes=64')
    os.umask(0)
    for name, minor in _DEVICES:
        os.mknod(os.path.join(dev, name), 0o666 | stat.S_IFCHR, os.makedev(1, minor))
    for name, target in _DEVICE_LINKS:
        os.symlink(target, os.path.join(dev, name))
    os.umask(0o022)
    kernel.mount(None, dev, None, kernel.MS_REMOUNT | kernel.MS_BIND | kernel.MS_RDONLY | flags)


def end_like(status):
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        signal.signal(number, signal.SIG_DFL) if number not in (signal.SIGKILL, signal.SIGSTOP) else None
        os.kill(os.getpid(), number)
    os._exit(os.waitstatus_to_exitcode(status) & 0xFF)


main()
