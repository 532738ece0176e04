"""System calls in their order, prepared in the zygote and carried out in each of its children (`runner.py`)."""

import ctypes
import os
import platform
import struct

import arena
import kernel
import runner

_OUTPUT_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
_LEAST = -(2**63)

# name: number on x86-64, and on arm64.
NUMBERS = {
    'capset': (126, 91),
    'chdir': (80, 49),
    'clock_gettime': (228, 113),
    'clone3': (435, 435),
    'close': (3, 57),
    'close_range': (436, 436),
    'dup3': (292, 24),
    'getpid': (39, 172),
    'getppid': (110, 173),
    'madvise': (28, 233),
    'mmap': (9, 222),
    'mount': (165, 40),
    'move_mount': (429, 429),
    'mremap': (25, 216),
    'openat': (257, 56),
    'prctl': (157, 167),
    'pread64': (17, 67),
    'prlimit64': (302, 261),
    'read': (0, 63),
    'recvfrom': (45, 207),
    'recvmsg': (47, 212),
    'rt_sigaction': (13, 134),
    'sched_setscheduler': (144, 119),
    'sched_yield': (24, 124),
    'setgroups': (116, 159),
    'setns': (308, 268),
    'setresgid': (119, 149),
    'setresuid': (117, 147),
    'umount2': (166, 39),
    'write': (1, 64),
}
_MACHINE = 1 if platform.machine() == 'aarch64' else 0


class Plan:
    """A list of calls that is being written."""

    def __init__(self):
        self._words = []
        self._steps = []  # of each call: the name of its step, its own, and what it is about
        self._kept = []  # what arguments point to
        self._step = None

    def step(self, name):
        """What is added from now on belongs to this step, whose name is told where one of its calls fails."""
        self._step = name

    def call(self, name, *arguments, about=None, least=0):
        """Adds a system call, which fails where it returns less than `least`. Returns its number, from 0 on.

        An argument is a number; or bytes, which it gets the address of; None is NULL.
        """
        values = [self._value(argument) for argument in arguments]
        self._words += [NUMBERS[name][_MACHINE], *values, *[0] * (runner.ARGUMENT_COUNT - len(values)), least, 0]
        self._steps.append((self._step, name, about))
        return len(self._steps) - 1

    def fork(self, cloner):
        """Adds a fork. The parent goes on with the next call; see `Program.on_zero` for the child."""
        return self.call('clone3', *cloner.arguments, least=1)

    def jump(self):
        """Adds a way out of the program, for `Program.on_zero`."""
        return self.call('sched_yield', least=1)

    def extend(self, other):
        """Adds all that is in another plan, which goes on being one."""
        self._words += other._words
        self._steps += other._steps
        self._kept += other._kept

    def attach(self, fd, target):
        """Attaches a detached mount at `target`."""
        self.call('move_mount', fd, b'', kernel.AT_FDCWD, target, kernel.MOVE_MOUNT_F_EMPTY_PATH, about=target)

    def redirect(self, path, fd, lowest):
        """Opens a file as `fd`; `lowest` is the lowest number that is free.

        Opened here and not by the worker, so that no path of the machine shows in /proc/self/fd.
        """
        self.call('openat', kernel.AT_FDCWD, path, _OUTPUT_FLAGS, about=path)
        self.call('dup3', lowest, fd, 0, about=path)
        self.call('close', lowest, about=path)

    def limit(self, resource, value):
        self.call('prlimit64', 0, resource, struct.pack('QQ', value, value), None, about=resource)

    def drop_bounding_set(self, kept=0):
        """Nothing that is executed later can have any other capabilities than those whose bits are set in `kept`."""
        with open('/proc/sys/kernel/cap_last_cap') as file:
            last = int(file.read())
        for capability in range(last + 1):
            if not kept >> capability & 1:
                self.call('prctl', kernel.PR_CAPBSET_DROP, capability, about='PR_CAPBSET_DROP')

    def load_filter(self, seccomp):
        """Loads a BPF program as the filter for system calls."""
        # struct sock_fprog: the number of instructions of 8 bytes, and where they are.
        program = struct.pack('HxxxxxxQ', len(seccomp) // 8, self.address(seccomp))
        self.call('prctl', kernel.PR_SET_SECCOMP, kernel.SECCOMP_MODE_FILTER, program, about='PR_SET_SECCOMP')

    def address(self, content):
        """Where these bytes are, and stay."""
        buffer = ctypes.create_string_buffer(content)  # with a 0 behind it
        self._kept.append(buffer)
        return ctypes.addressof(buffer)

    def ready(self, room=arena.APART):
        """`room`: where its calls are to be."""
        return Program(self._words, self._steps, self._kept, room)

    def _value(self, argument):
        if argument is None:
            return 0
        if isinstance(argument, int):
            return argument
        return self.address(argument)


class Program:
    """A plan as it is carried out, any number of times."""

    def __init__(self, words, steps, kept, room):
        self._steps = steps
        self._kept = kept
        self._words = room.words(len(words) + 1)
        self._words[:] = (*words, runner.END)
        self.first = ctypes.addressof(self._words)
        self._end = self.first + len(words) * ctypes.sizeof(ctypes.c_int64)

    def fill(self, call, argument, value):
        """Sets an argument of a call, both counted from 0 on."""
        self._words[call * runner.CALL_WORDS + runner.ARGUMENTS + argument] = value

    def on_zero(self, call, program):
        """Where this call returns 0, and has to return more, that program comes next instead of a failure; with None it is one again."""
        self._words[call * runner.CALL_WORDS + runner.ON_ZERO] = 0 if program is None else program.first

    def run(self):
        """Makes all calls. Where one fails it raises Failed, and the rest is not done."""
        result, at = runner.run(self.first)
        if at != self._end:
            raise self.failure(self.call_at(at), result)

    @property
    def region(self):
        """Where it is in memory: an address and a length."""
        return self.first, ctypes.sizeof(self._words)

    def address_of(self, call):
        return self.first + call * runner.CALL_BYTES

    def call_at(self, address):
        """The number of the call at this address; as many as there are for the end; None where it is in another program."""
        return (address - self.first) // runner.CALL_BYTES if self.first <= address <= self._end else None

    def is_end(self, call):
        return call == len(self._steps)

    def failure(self, call, result):
        return Failed(-result, *self._steps[call])


class Calls:
    """Room for so many calls, which are put there one by one, and changed."""

    def __init__(self, count, room=arena.APART):
        self._words = room.words(runner.CALL_WORDS * count)
        self.first = ctypes.addressof(self._words)

    def put(self, call, name, *arguments, least=0):
        self._put(call, name, arguments, least, 0)

    def go_on(self, call, program):
        """From that call on with that program; what was put there is not made any more."""
        self._put(call, 'sched_yield', (), 1, program.first)

    @property
    def region(self):
        """Where they are in memory: an address and a length."""
        return self.first, ctypes.sizeof(self._words)

    def _put(self, call, name, arguments, least, on_zero):
        at = call * runner.CALL_WORDS
        self._words[at] = NUMBERS[name][_MACHINE]
        for index, value in enumerate(arguments, at + runner.ARGUMENTS):
            self._words[index] = value
        self._words[at + runner.LEAST] = least
        self._words[at + runner.ON_ZERO] = on_zero


class Hints(Calls):
    """The same for one system call, which may fail."""

    def __init__(self, name, count, room=arena.APART):
        super().__init__(count + 1, room)
        self._name = name

    def put(self, call, *arguments):
        self._put(call, self._name, arguments, _LEAST, 0)


class Failed(OSError):
    """A call of a plan failed; `step` is the step that it belongs to."""

    def __init__(self, errno, step, name, about):
        super().__init__(errno, f'{name}: {os.strerror(errno)}', about)
        self.step = step
