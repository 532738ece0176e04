"""Imports modules in a package zygote, so that they are there in all that is forked from it.

What can't be had again in a fork is refused: then the functions that want these modules import them for themselves.
"""

import gc
import importlib
import os
import sys
import time

import _thread

import path_files

# What tells libraries to start no threads of their own: those would not be there after a fork.
_ONE_THREAD = (
    'OPENBLAS_NUM_THREADS', 'OMP_NUM_THREADS', 'MKL_NUM_THREADS', 'BLIS_NUM_THREADS', 'NUMEXPR_NUM_THREADS',
    'VECLIB_MAXIMUM_THREADS',
)  # fmt: skip

_TASKS = '/proc/self/task'
_DESCRIPTORS = '/proc/self/fd'


class Refused(Exception):
    """These modules can be imported, and not be forked."""


class Broken(Exception):
    """A module raised while it was imported. What it had done by then stays in this process: `error` is what it raised,
    `number` its place among those that were wanted."""

    def __init__(self, number, error):
        super().__init__(number, error)
        self.number = number
        self.error = error


def import_all(wanted):
    """Returns how long it took, in us, how many threads there are after it, and the numbers of the directories that modules
    had been loaded from before, then those that each module has brought. Raises Broken for the first module that raises, and
    what was raised where none of them was found."""
    path, environment, open_before = list(sys.path), dict(os.environ), descriptors()
    started = time.monotonic_ns()
    sys.path.extend(wanted['directories'])
    path_files.carry_out(path_files.files_in(wanted['directories']))
    for name in _ONE_THREAD:
        os.environ[name] = '1'
    loads = Loads(wanted['directories'])
    tried = []
    for number, module in enumerate(wanted['modules']):
        tried.append(try_to_import(number, module))
        loads.note()
    if tried and all(error is not None for error in tried):
        raise tried[0]  # then it is no better than its parent
    restore(path, environment)
    took = time.monotonic_ns() - started
    refuse_path_files()
    refuse_descriptors(open_before)
    refuse_threads()
    settle()
    return took // 1000, len(os.listdir(_TASKS)), loads.steps


class Loads:
    """From which directories, by their numbers, modules have been loaded: at first, and from one look to the next."""

    def __init__(self, directories):
        self._numbers = {directory: at for at, directory in enumerate(directories)}
        note_homes()
        self.steps = [self._numbers_of(_homes)]

    def note(self):
        self.steps.append(self._numbers_of(note_homes()))

    def _numbers_of(self, homes):
        return sorted(self._numbers.pop(home) for home in homes & self._numbers.keys())


# Where modules have been loaded from, in this interpreter and in those that it was forked from; and the last one that was seen. So
# nobody looks at all modules again, each of which is on a page that would be copied for that.
_homes = set()
_last = None


def note_homes():
    """The directories, `/packages/<name>` for packages, of modules that have been loaded since the last time."""
    global _last
    new = []
    # The newest first. Where the last one has gone, all are looked at.
    for name in reversed(sys.modules):
        if name == _last:
            break
        new.append(name)
    if not new:
        return set()
    _last = new[0]
    files = [file_of(sys.modules[name]) for name in new]
    homes = {'/'.join(file.split('/', 3)[:3]) for file in files if isinstance(file, str)} - _homes
    _homes.update(homes)
    return homes


def file_of(module):
    """None where it has none. Some modules import others when they are asked for what they lack: this does not ask them."""
    try:
        return object.__getattribute__(module, '__dict__').get('__file__')
    except AttributeError:
        return None


def try_to_import(number, module):
    """None where it is there now. What is imported by `from` may be no module at all: then what said so is returned, and nothing
    has happened. Raises Broken where the module's code ran, and raised: a C library, for one, can't be loaded a second
    time, so what is forked from here could never import it."""
    try:
        importlib.import_module(module)
    except BaseException as error:
        if isinstance(error, ModuleNotFoundError) and error.name == module:
            return error
        raise Broken(number, error) from error
    return None


def restore(path, environment):
    """A function gets the path of its own packages when it is started, and the environment that each function has."""
    sys.path[:] = path
    for directory in set(sys.path_importer_cache) - set(path):
        del sys.path_importer_cache[directory]
    for name in set(os.environ) - set(environment):
        del os.environ[name]
    for name, value in environment.items():
        if os.environ.get(name) != value:
            os.environ[name] = value


def refuse_path_files():
    """A sandbox gets the path of its own packages, and what these files have added to it."""
    files = path_files.not_repeatable()
    if files:
        raise Refused(f'path files do more to sys.path than to add to it: {", ".join(files)}')


def refuse_descriptors(before):
    """A sandbox closes what it has inherited; a module that goes on using it would hit another file by its number."""
    opened = {fd: target for fd, target in descriptors().items() if fd not in before}
    if opened:
        raise Refused(f'they keep files open: {", ".join(sorted(opened.values()))}')


def descriptors():
    """Which are open, and what they are."""
    found = {}
    for fd in os.listdir(_DESCRIPTORS):
        try:
            found[fd] = os.readlink(f'{_DESCRIPTORS}/{fd}')
        except FileNotFoundError:
            pass  # that of the listing itself
    return found


def refuse_threads():
    """A thread of Python's goes on working for its module; after a fork it would not be there. Those of C libraries are
    for the zygote to deal with."""
    count = _thread._count()
    if count > 0:
        threading = sys.modules.get('threading')
        names = [] if threading is None else [thread.name for thread in threading.enumerate()[1:]]
        raise Refused(f'they start {count} threads of Python: {", ".join(sorted(names))}')


def settle():
    """What is there now lives for ever: children share its pages, and no collection ever touches them."""
    gc.collect()
    gc.freeze()
    gc.disable()
