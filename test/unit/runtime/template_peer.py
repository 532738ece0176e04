"""Has a template carry out programs. Argument: the directory of the runtime. Prints JSON."""

import ctypes
import json
import os
import signal
import sys
import time

sys.path.insert(0, sys.argv[1])
import arena
import kernel
import mappings
import plan
import template

_BYTES = 64 * 1024
_CHILD = kernel.CLONE_NEWUSER | kernel.CLONE_NEWPID
_PATIENCE_S = 10

room = arena.Arena(mappings.make_apart(_BYTES), _BYTES)
made = template.Template(room)
text = room.words(1)
cloner = kernel.Cloner(_CHILD, signal.SIGCHLD, room)
cloner.set_parent(is_ours=False)
made.report_until(room.next)
read_end, write_end = os.pipe()


def writing(path=None):
    """Writes what is in the arena, and then goes to a directory, if there is one."""
    steps = plan.Plan()
    steps.call('write', write_end, ctypes.addressof(text), 8, least=8)
    if path is not None:
        steps.call('chdir', path)
    last = steps.jump()
    program = steps.ready()
    program.on_zero(last, made.tail)
    return program


def forking(call):
    """Forks a child, which comes out of the machine code after this call."""
    child = plan.Plan()
    child.call(call, least=1)
    steps = plan.Plan()
    fork = steps.fork(cloner)
    last = steps.jump()
    program, follow = steps.ready(room), child.ready()
    program.on_zero(fork, follow)
    program.on_zero(last, made.tail)
    return program, follow


def arrive():
    signals = signal.getsignal(signal.SIGCHLD) == signal.SIG_DFL, signal.set_wakeup_fd(-1)
    os.write(write_end, json.dumps({'arrived': known, 'signals': signals}).encode())
    os._exit(8)


def start():
    in_child = made.start()
    if in_child is not None:
        # What Python knows here is what it knew when the template was made.
        os.write(write_end, json.dumps({'result': in_child[0], 'at': followed.call_at(in_child[1]), 'known': known}).encode())
        os._exit(7)


def said():
    return os.read(read_end, 1000).decode()


def run(program, word):
    text[0] = int.from_bytes(word, 'little')
    failure = made.run(program, [(ctypes.addressof(text), 8)])
    return {'failure': failure and {'result': failure[0], 'call': program.call_at(failure[1])}, 'said': said()}


def is_there(pid):
    try:
        with open(f'/proc/{pid}/stat', encoding='utf-8') as file:
            return file.read().rsplit(')', 1)[1].split()[0] != 'Z'
    except FileNotFoundError:
        return False


def forked(program):
    start_of, _length = cloner.arguments
    failure = made.run(program, [(start_of, room.next - start_of)])
    pid, _pidfd = cloner.child
    _, status = os.waitpid(pid, 0)  # it is a child of ours
    return {'failure': failure, 'status': os.waitstatus_to_exitcode(status), 'said': json.loads(said())}


def gone():
    """One that was killed."""
    os.kill(made.pid, signal.SIGKILL)
    try:
        run(simple, b'late....')
    except template.Gone as error:
        return {'text': str(error), 'pid': made.pid}


def ends_with_us():
    """That of a process that is killed."""
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid == 0:
        own = template.Template(room)
        own.report_until(room.next)
        own.start()
        os.write(theirs, str(own.pid).encode())
        signal.pause()
    other = int(os.read(ours, 100))
    was = is_there(other)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    until = time.monotonic() + _PATIENCE_S
    while is_there(other) and time.monotonic() < until:
        time.sleep(0.01)
    return {'before': was, 'after': is_there(other)}


simple = writing()
failing = writing(b'/nowhere/at/all')
forks, followed = forking('getppid')  # 0, and so it fails: its parent is outside of its namespace
arriving, _ = forking('getpid')
made.arrive = arrive
known = 'before'
woken, wakes = os.pipe2(os.O_NONBLOCK)
ends = []
signal.signal(signal.SIGCHLD, lambda *_: ends.append(1))
signal.set_wakeup_fd(wakes)
start()
# As if an end had come while it was made.
told = {'handler': len(ends), 'wakeup': list(os.read(woken, 100))}
signal.set_wakeup_fd(-1)
signal.signal(signal.SIGCHLD, signal.SIG_DFL)
known = 'after'
first = made.pid
outcomes = {'simple': run(simple, b'first...'), 'again': run(simple, b'second..'), 'forked': forked(forks)}
outcomes['told'] = told
outcomes['arrived'] = forked(arriving)
outcomes['failing'] = run(failing, b'third...')
outcomes['ended'] = {'pid': made.pid, 'is_there': is_there(first)}
start()
outcomes['another'] = run(simple, b'fourth..')
outcomes['gone'] = gone()
outcomes['ends_with_us'] = ends_with_us()
print(json.dumps(outcomes))
