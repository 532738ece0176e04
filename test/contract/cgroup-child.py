"""A process for the cgroup suite: gets into a cgroup and does one thing there.

Arguments: how it gets in (`write-self` or `clone-into`), what it does there, and one argument for that. The entry's
descriptors are 3 and up. It prints one JSON line when it is in, and one for each thing that it has to tell.
"""

import json
import mmap
import os
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '../../runtime/python'))
import kernel  # noqa: E402

MB = 1 << 20


def tell(**what):
    print(json.dumps(what), flush=True)


def idle(_argument):
    signal.pause()


def count(path):
    """Adds to the number in the first bytes of a file, as fast as it can."""
    with open(path, 'r+b') as file:
        counter = memoryview(mmap.mmap(file.fileno(), 8)).cast('Q')
    while True:
        counter[0] += 1


def eat(megabytes):
    kept = []
    for _ in range(int(megabytes)):
        kept.append(bytearray(os.urandom(1)) * MB)
    tell(ate=len(kept))
    signal.pause()


def fork(wanted):
    made = 0
    try:
        for _ in range(int(wanted)):
            if os.fork() == 0:
                signal.pause()
            made += 1
    except BlockingIOError:
        pass
    tell(forked=made)
    signal.pause()


def burn(seconds):
    """Tells which share of one core it got."""
    begin = time.monotonic()
    while time.monotonic() - begin < float(seconds):
        pass
    tell(share=time.process_time() / (time.monotonic() - begin))
    signal.pause()


def echo(_argument):
    """Sleeps until it gets a byte, and tells how many there have been."""
    echoed = 0
    while os.read(0, 1):
        echoed += 1
        tell(echoed=echoed)


def write(path):
    """Leaves the content of a file in the page cache."""
    with open(path, 'wb') as file:
        for _ in range(50):
            file.write(bytes(MB))
        os.fsync(file.fileno())
    tell(written=50)
    signal.pause()


ACTIONS = {
    'idle': idle,
    'count': count,
    'eat': eat,
    'fork': fork,
    'burn': burn,
    'echo': echo,
    'write': write,
}


def enter_by_writing(first=3):
    for fd in range(first, 3 + int(os.environ['ENTRY_COUNT'])):
        os.write(fd, b'0')
        os.close(fd)


def enter_by_clone():
    """The child gets in; this process waits outside and ends as the child does."""
    cloner = kernel.Cloner(0, signal.SIGCHLD)
    cloner.set_cgroup(3)
    pid, _pidfd = cloner.fork()
    os.close(3)
    if pid == 0:
        enter_by_writing(4)
        return
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if status < 0:
        os.kill(os.getpid(), -status)
    os._exit(status)


def main(how, action, argument):
    if how == 'write-self':
        enter_by_writing()
    else:
        enter_by_clone()
    tell(pid=os.getpid())
    ACTIONS[action](argument)


main(*sys.argv[1:])
