"""Carries out plans of the runtime, in machine code and in Python. Argument: the directory of the runtime. Prints JSON."""

import ctypes
import json
import os
import sys

sys.path.insert(0, sys.argv[1])
import kernel
import plan
import runner

_SIGCHLD = 17


def by_either(make):
    return {'native': make(runner.native()), 'python': make(runner.in_python)}


def carried_out(run, steps):
    """What the last call has returned, the number of the call where it has ended, and what came out of the pipe."""
    read_end, write_end = os.pipe()
    program = steps(write_end).ready()
    stopped = ctypes.c_int64(0)
    result = run(program.first, ctypes.addressof(stopped))
    os.close(write_end)
    with open(read_end, 'rb') as pipe:
        return {'result': result, 'ended': program.call_at(stopped.value), 'text': pipe.read().decode()}


def whole(fd):
    steps = plan.Plan()
    steps.call('write', fd, b'one ', 4)
    steps.call('write', fd, b'two', 3)
    return steps


def failing(fd):
    steps = plan.Plan()
    steps.call('write', fd, b'one', 3)
    steps.call('chdir', b'/nowhere/at/all')
    steps.call('write', fd, b'two', 3)
    return steps


def too_little(fd):
    steps = plan.Plan()
    steps.call('write', fd, b'one', 3, least=4)
    steps.call('write', fd, b'two', 3)
    return steps


def empty(_fd):
    return plan.Plan()


def jumped(run):
    """A program that goes on in another one, and ends there."""
    read_end, write_end = os.pipe()
    other = plan.Plan()
    other.call('write', write_end, b'there', 5)
    there = other.ready()
    steps = plan.Plan()
    way_out = steps.jump()
    steps.call('write', write_end, b'here', 4)
    here = steps.ready()
    here.on_zero(way_out, there)
    stopped = ctypes.c_int64(0)
    result = run(here.first, ctypes.addressof(stopped))
    os.close(write_end)
    with open(read_end, 'rb') as pipe:
        text = pipe.read().decode()
    return {'result': result, 'here': here.call_at(stopped.value), 'there': there.call_at(stopped.value), 'text': text}


def hinted(run):
    """Hints, one of which fails, and what comes after them."""
    read_end, write_end = os.pipe()
    steps = plan.Plan()
    steps.call('write', write_end, b' end', 4)
    end = steps.ready()
    texts = [ctypes.create_string_buffer(text) for text in (b'one', b'two', b'three')]
    hints = plan.Hints('write', 3)
    for call, text in enumerate(texts):
        hints.put(call, write_end if call != 1 else -1, ctypes.addressof(text), len(text.value))
    hints.go_on(3, end)
    stopped = ctypes.c_int64(0)
    run(hints.first, ctypes.addressof(stopped))
    hints.go_on(1, end)
    result = run(hints.first, ctypes.addressof(stopped))
    os.close(write_end)
    with open(read_end, 'rb') as pipe:
        return {'result': result, 'ended': end.call_at(stopped.value), 'text': pipe.read().decode()}


def forked(run):
    """Two children of one program: each says who it is, and the parent has their pids."""
    read_end, write_end = os.pipe()
    parent, cloners, children, forks = plan.Plan(), [], [], []
    for name in (b'a', b'b'):
        steps = plan.Plan()
        steps.call('write', write_end, name, 1)
        children.append(steps.ready())
        cloners.append(kernel.Cloner(0, _SIGCHLD))
        forks.append(parent.fork(cloners[-1]))
    program = parent.ready()
    for fork, child in zip(forks, children):
        program.on_zero(fork, child)
    stopped = ctypes.c_int64(0)
    run(program.first, ctypes.addressof(stopped))
    for child in children:
        if child.call_at(stopped.value) is not None:
            os._exit(7 if child.is_end(child.call_at(stopped.value)) else 1)
    pids = [cloner.child[0] for cloner in cloners]
    statuses = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
    os.close(write_end)
    with open(read_end, 'rb') as pipe:
        said = ''.join(sorted(pipe.read().decode()))
    return {'ended': program.call_at(stopped.value), 'statuses': statuses, 'said': said}


def failure():
    steps = plan.Plan()
    steps.step('first')
    steps.call('sched_yield')
    steps.step('second')
    steps.call('chdir', b'/nowhere/at/all', about=b'/nowhere/at/all')
    try:
        steps.ready().run()
    except plan.Failed as error:
        return {'step': error.step, 'errno': error.errno, 'text': str(error)}


print(
    json.dumps(
        {
            **{
                steps.__name__: by_either(lambda run: carried_out(run, steps))
                for steps in (whole, failing, too_little, empty)
            },
            'jumped': by_either(jumped),
            'hinted': by_either(hinted),
            'forked': by_either(forked),
            'failure': failure(),
            'numbers': plan.NUMBERS,
        }
    )
)
