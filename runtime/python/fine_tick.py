"""Has the kernel choose anew who runs, on each core, every so many microseconds, for as long as the worker wants it.

Arguments: the microseconds, and how many cores the worker may use. What comes on stdin says whether (`1`) or not (`0`); its end is
the end. One line is printed: `ready`, or why it can't be had. It is started by its path, without the runtime's other modules.

A thread on each core waits for a timer. It is a real-time thread, so whatever runs there is interrupted for it; and when it waits again,
some microseconds later, the scheduler takes whose turn it is.
"""

import _thread
import ctypes
import os
import sys

_COMMANDS_BYTES = 64
_TIMER_BYTES = 8
_CLOCK_MONOTONIC = 1

_libc = ctypes.CDLL(None, use_errno=True)


class _Times(ctypes.Structure):
    """struct itimerspec: how often, and when for the first time; the latter 0 for never."""

    _fields_ = [(name, ctypes.c_long) for name in ('every_s', 'every_ns', 'first_s', 'first_ns')]


def _checked(result, call):
    if result < 0:
        errno = ctypes.get_errno()
        raise OSError(errno, f'{call}: {os.strerror(errno)}')
    return result


def _make_timer():
    return _checked(_libc.timerfd_create(_CLOCK_MONOTONIC, os.O_CLOEXEC), 'timerfd_create')


def _set_timer(timer, every_us):
    seconds, rest_us = divmod(every_us, 1_000_000)
    times = _Times(seconds, rest_us * 1000, seconds, rest_us * 1000)
    _checked(_libc.timerfd_settime(timer, 0, ctypes.byref(times), None), 'timerfd_settime')


def _tick(core, timer):
    os.sched_setaffinity(0, {core})
    while True:
        os.read(timer, _TIMER_BYTES)


def _start(cores):
    """The timers that the threads wait for. Raises OSError."""
    allowed = os.sched_getaffinity(0)
    if len(allowed) > cores:
        # What comes in real time knows no quota, and would take as much as the worker may have.
        raise OSError(f'a quota leaves {cores} of {len(allowed)} cores: a tick on each would take too much of it')
    # Threads inherit it.
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(os.sched_get_priority_min(os.SCHED_FIFO)))
    timers = []
    for core in allowed:
        timer = _make_timer()
        _thread.start_new_thread(_tick, (core, timer))
        timers.append(timer)
    return timers


def main(every_us, cores):
    try:
        timers = _start(cores)
    except OSError as error:
        print(error, flush=True)
        return
    print('ready', flush=True)
    while commands := os.read(0, _COMMANDS_BYTES):
        for timer in timers:
            _set_timer(timer, every_us if commands.endswith(b'1') else 0)


main(*map(int, sys.argv[1:]))
# The usual end would wait for what the threads hold.
os._exit(0)
