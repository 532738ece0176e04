"""System calls in their order, prepared in the zygote and carried out in each of its children.

A child writes to every page with an object that it so much as looks at, and each such page it then has for itself. So
what all children do alike is not code but a list: of numbers that lie close together, and one loop goes through it.
"""

import ctypes
import os
import struct

import kernel

_OUTPUT_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC


class Plan:
    def __init__(self):
        self._calls = []  # (function, arguments), in the order in which they are made
        self._steps = []  # of each call: the name of its step, of the function, and what it is about
        self._kept = []  # what arguments point to
        self._functions = {}
        self._step = None

    def step(self, name):
        """What is added from now on belongs to this step, whose name is told where one of its calls fails."""
        self._step = name

    def call(self, name, *arguments, about=None):
        """Adds a call of the C library. An argument is a number; or bytes, which it gets the address of; None is NULL."""
        self._add(name, ctypes.c_int, arguments, name, about)

    def system_call(self, name, number, *arguments, about=None):
        """Adds a system call that not every C library has."""
        self._add('syscall', ctypes.c_long, (number, *arguments), name, about)

    def attach(self, fd, target):
        """Attaches a detached mount at `target`."""
        flags = kernel.MOVE_MOUNT_F_EMPTY_PATH
        self.system_call('move_mount', kernel.SYS_MOVE_MOUNT, fd, b'', kernel.AT_FDCWD, target, flags, about=target)

    def redirect(self, path, fd, lowest):
        """Opens a file as `fd`; `lowest` is the lowest number that is free.

        Opened here and not by the worker, so that no path of the machine shows in /proc/self/fd.
        """
        self.call('open', path, _OUTPUT_FLAGS, about=path)
        self.call('dup2', lowest, fd, about=path)
        self.call('close', lowest, about=path)

    def drop_bounding_set(self, kept=0):
        """Nothing that is executed later can have any other capabilities than those whose bits are set in `kept`."""
        with open('/proc/sys/kernel/cap_last_cap') as file:
            last = int(file.read())
        for capability in range(last + 1):
            if not kept >> capability & 1:
                self.call('prctl', kernel.PR_CAPBSET_DROP, capability, 0, 0, 0, about='PR_CAPBSET_DROP')

    def load_filter(self, seccomp):
        """Loads a BPF program as the filter for system calls."""
        # struct sock_fprog: the number of instructions of 8 bytes, and where they are.
        program = struct.pack('HxxxxxxQ', len(seccomp) // 8, self.address(seccomp))
        filter_mode = kernel.SECCOMP_MODE_FILTER
        self.call('prctl', kernel.PR_SET_SECCOMP, filter_mode, program, 0, 0, about='PR_SET_SECCOMP')

    def address(self, content):
        """Where these bytes are, and stay."""
        buffer = ctypes.create_string_buffer(content)
        self._kept.append(buffer)
        return ctypes.addressof(buffer)

    def run(self):
        """Makes all calls. Where one fails it raises Failed, and the rest is not done."""
        for call in self._calls:
            if call[0](*call[1]) < 0:
                raise self._failure(call)

    def _add(self, function, result, arguments, name, about):
        key = function, len(arguments)
        # One object for each: it is an object that a child looks at.
        if key not in self._functions:
            self._functions[key] = kernel.function(function, result, *[ctypes.c_long] * len(arguments))
        self._calls.append((self._functions[key], tuple(map(self._value, arguments))))
        self._steps.append((self._step, name, about))

    def _value(self, argument):
        if argument is None:
            return 0
        if isinstance(argument, int):
            return argument
        return self.address(argument)

    def _failure(self, call):
        errno = ctypes.get_errno()
        at = next(index for index, one in enumerate(self._calls) if one is call)
        return Failed(errno, *self._steps[at])


class Failed(OSError):
    """A call of a plan failed; `step` is the step that it belongs to."""

    def __init__(self, errno, step, name, about):
        super().__init__(errno, f'{name}: {os.strerror(errno)}', about)
        self.step = step
