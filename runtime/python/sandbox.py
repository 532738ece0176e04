"""From a spare to a sandbox that serves: what is done when a request has come, before any user code.

The code is attached, the last capabilities are dropped, and the seccomp filter is loaded. Then the handler is served.
"""

import base64
import ctypes
import gc
import os
import resource
import struct
import traceback

import _socket

import arena
import control
import fresh
import hot_pages
import kernel
import mappings
import memory_image
import package_zygote
import packages
import plan
import server
import spare
import spares

# struct timespec, three times: when the request was there, when the code was attached, and when all power was dropped.
_Times = ctypes.c_int64 * 6
_CLOCK_MONOTONIC = 1
# Less than what becomes a part of the image of memory (`memory_image.py`).
_ARENA_BYTES = 448 * 1024


class Blueprint:
    """What is the same in every sandbox, ready to be carried out."""

    def __init__(self, settings):
        self.settings = settings
        self.timing = settings['timing']
        self.is_network_shared = settings['network'] == 'host'
        self.times = _Times()
        usual, install = settings['file_max_mb'], settings['install_file_max_mb']
        # What it is told to do, and what bounds it then.
        start = self._plan_to_start(usual)
        if not self.timing:
            start.extend(plan_to_leave())
        # What is not done already when it is told what to do.
        self.rest = {
            b'start': plan.Plan().ready(),
            b'compile': self._plan_to_start(usual).ready(),
            b'install': self._plan_to_start(install).ready(),
        }
        self.leave = plan_to_leave().ready()
        # Of a descriptor that is a listener only in a sandbox; it is closed with the last one who has this.
        self.listener = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM, 0, control.CONTROL_FD)
        room = arena.Arena(mappings.make_apart(_ARENA_BYTES), _ARENA_BYTES)
        self.image = memory_image.make(room)
        self.hot_pages = hot_pages.HotPages(room)
        has_networks = not self.is_network_shared
        self.spares = spares.Spares(spare.plan_to_settle(settings), start, self.hot_pages, has_networks, room)
        if self.spares.template is not None:
            self.spares.template.arrive = make_arrival(self)
        self.zygote = package_zygote.Blueprint(settings, base64.b64decode(settings['zygote_seccomp']))

    def _plan_to_start(self, file_max_mb):
        steps = plan.Plan()
        self._note_time(steps, 0)
        add_attaching(steps)
        add_limits(steps, self.settings, file_max_mb)
        self._note_time(steps, 1)
        add_dropping(steps, base64.b64decode(self.settings['seccomp']))
        self._note_time(steps, 2)
        return steps

    def _note_time(self, steps, which):
        if self.timing:
            address = ctypes.addressof(self.times) + which * 2 * ctypes.sizeof(ctypes.c_int64)
            steps.call('clock_gettime', _CLOCK_MONOTONIC, address)

    def noted_times(self):
        """In ns."""
        return [self.times[at] * 1_000_000_000 + self.times[at + 1] for at in range(0, len(self.times), 2)]


def add_attaching(steps):
    steps.step('attach')
    steps.attach(spare.CODE_FD, b'/handler')
    steps.call('chdir', b'/handler')


def add_limits(steps, settings, file_max_mb):
    steps.step('limits')
    steps.limit(resource.RLIMIT_CORE, 0)
    steps.limit(resource.RLIMIT_FSIZE, file_max_mb * 1024 * 1024)
    steps.limit(resource.RLIMIT_NOFILE, min(settings['open_files_max'], resource.getrlimit(resource.RLIMIT_NOFILE)[1]))


def add_dropping(steps, seccomp):
    """The last capabilities go, and the filter for system calls comes."""
    steps.step('drop')
    steps.call('prctl', kernel.PR_CAP_AMBIENT, kernel.PR_CAP_AMBIENT_CLEAR_ALL, about='PR_CAP_AMBIENT')
    # Of the calling thread, and empty: effective, permitted and inheritable, in two halves.
    steps.call('capset', struct.pack('Ii', kernel.CAPABILITY_VERSION_3, 0), bytes(24))
    # After the change of ids /proc/self belongs to root; a program may look at itself.
    steps.call('prctl', kernel.PR_SET_DUMPABLE, 1, about='PR_SET_DUMPABLE')
    steps.call('prctl', kernel.PR_SET_NO_NEW_PRIVS, 1, about='PR_SET_NO_NEW_PRIVS')
    steps.load_filter(seccomp)


def plan_to_leave():
    """The listener takes the place of the control socket, below everything else that is open, which is closed."""
    steps = plan.Plan()
    steps.step('leave')
    steps.call('dup3', spare.LISTENER_FD, control.CONTROL_FD, os.O_CLOEXEC)
    steps.call('close_range', control.CONTROL_FD + 1, kernel.LAST_FD, 0)
    return steps


def make_arrival(blueprint):
    """What is left to do in a sandbox that the template has forked, and that has been told to start; it never returns.

    Each object that is looked at here, be it the name of an attribute, is on a page that each sandbox has for itself from then on. So
    what it takes is looked up before, and nothing is done that matters only where packages have been imported.
    """
    after_fork, enable, serve, image = kernel.after_fork_in_child, gc.enable, server.serve, blueprint.image
    listener = blueprint.listener
    message, none, lock_at = blueprint.spares.message, packages.NONE, len(b'start ')
    is_done = not blueprint.timing and not fresh.is_needed()

    def arrive():
        try:
            # From here on it is a process of its own for Python, too; modules may have registered hooks, which run now.
            after_fork()
            if not is_done:
                fresh.make_fresh()
                take_leave(blueprint, b'start')
            lock = none if message[lock_at] == none else blueprint.spares.lock()
            enable()
            serve(listener, lock, image=image)
        except BaseException:
            traceback.print_exc()
        os._exit(1)

    return arrive


def take_leave(blueprint, task):
    """What has to do with the zygote is closed, where it still is open."""
    if task == b'start' and not blueprint.timing:
        return
    if blueprint.timing:
        control.tell(control.STARTED, blueprint.spares.own_id(), *blueprint.noted_times())
    blueprint.leave.run()


def run(blueprint):
    """Never returns: in any other child of `blueprint.spares`, which has been told what to do, or could not come so far."""
    step = 'start'
    try:
        task, lock = blueprint.spares.request()
        blueprint.rest[task].run()
        step = 'fresh'
        kernel.after_fork_in_child()
        control.hear_no_ends()
        fresh.make_fresh()
        take_leave(blueprint, task)
    except BaseException as error:
        control.tell_failed(blueprint.spares.own_id(), getattr(error, 'step', step), error)
        os._exit(1)
    gc.enable()
    if task == b'compile':
        server.serve_compiled(blueprint.listener)
    server.serve(blueprint.listener, lock, image=blueprint.image)
