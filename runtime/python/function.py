"""A user's function: loads its code, calls its handler, and puts into words what goes wrong.

The function's own failures are told as text which shows the user's lines alone, and never ours.
"""

import json
import marshal
import os
import sys
import traceback
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import cache_from_source
from types import ModuleType

import baseline
import packages

CODE_DIR = '/handler'
MODULE = 'lambda_func'
_PATH = f'{CODE_DIR}/{MODULE}.py'
_COMPILED_PATH = cache_from_source(_PATH)
_CACHE_DIR = '__pycache__'
_PYC_HEADER = 16
_NO_PACKAGES = packages.NONE
# What is the function's own, and no module beside it.
_OWN_NAMES = (f'{MODULE}.py', _CACHE_DIR, packages.LIST)
# Most files have less. To ask for their size looks at more objects of Python's than it spares, each on a page of its own.
_USUAL_BYTES = 16384


class Failure(Exception):
    """The function can't answer; the text says why, to whoever wrote it."""


class BadEvent(Exception):
    """What came is not JSON; the text says where."""


class Function:
    """The code in CODE_DIR, with the packages of a lock. Loading it never fails; calling it says what failed meanwhile."""

    def __init__(self, lock):
        self._failure = None
        try:
            self._handler = load(lock)
        except Failure as failure:
            self._failure = str(failure)

    @classmethod
    def rehearsed(cls):
        """A function that returns its event, to practise with."""
        rehearsed = cls.__new__(cls)
        rehearsed._failure = None
        rehearsed._handler = lambda event: event
        return rehearsed

    def call(self, body):
        """Calls the handler with an event (JSON, bytes); its result as JSON, bytes. Raises BadEvent, Failure."""
        event = parse_event(body)
        if self._failure is not None:
            raise Failure(self._failure)
        try:
            result = self._handler(event)
        except SystemExit as error:
            raise Failure(f'handler called sys.exit({shown(error.code)}): return a result instead') from None
        except BaseException as error:
            raise Failure(describe(error, 1)) from None
        return encode_result(result)


def refuse_constant(name):
    raise BadEvent(f'{name} is not JSON')


# Made once: json.loads and json.dumps make new ones at each call that is not the plainest.
_decode = json.JSONDecoder(parse_constant=refuse_constant).decode
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode
_encode_as_ascii = json.JSONEncoder(allow_nan=False).encode


def parse_event(body):
    """The event in a request's body; nothing is an empty object. Raises BadEvent for what is not JSON in UTF-8."""
    if not body.strip():
        return {}
    try:
        return _decode(body.decode())
    except RecursionError:
        raise BadEvent('it is nested too deeply') from None
    except ValueError as error:
        raise BadEvent(str(error)) from None


def encode_result(result):
    try:
        text = _encode(result)
    except (TypeError, ValueError, RecursionError) as error:
        raise Failure(f'handler returned something that JSON cannot hold: {shown(error, str)}') from None
    except BaseException as error:  # a result of the user's own type can do anything while it is looked at
        raise Failure(describe(error, 1)) from None
    try:
        return text.encode()
    except UnicodeEncodeError:  # half a surrogate pair, which JSON can hold only as an escape
        return _encode_as_ascii(result).encode()


def make_module():
    """What `import` would have made for lambda_func.py, still empty."""
    module = ModuleType(MODULE)
    module.__file__ = _PATH
    module.__spec__ = ModuleSpec(MODULE, SourceFileLoader(MODULE, _PATH), origin=_PATH)
    module.__spec__.has_location = True
    module.__loader__ = module.__spec__.loader
    return module


# Made once, in the zygote: each sandbox fills its own copy.
_module = make_module()


def load(lock):
    """Runs lambda_func.py as a module, and returns its handler. Raises Failure.

    Run here, without the import system: the first import in a fresh child costs up to 2 ms.
    """
    names = os.listdir(CODE_DIR)
    prepare_imports(names)
    if lock != _NO_PACKAGES:
        prepare_packages(lock)
    sys.modules[MODULE] = _module
    handler = run_module(_module, _CACHE_DIR in names)
    if handler is None:
        raise Failure('lambda_func.py defines no handler: write `def handler(event): ...`')
    if not callable(handler):
        raise Failure(f'handler in lambda_func.py is a {type(handler).__name__}, not a function')
    return handler


def prepare_imports(names):
    """As if the interpreter had been started for the handler: its modules come before ours and the library's."""
    sys.path.insert(0, CODE_DIR)
    for name in names:
        if name in _OWN_NAMES:
            continue
        module = name.removesuffix('.py')
        if module not in baseline.MODULES:
            sys.modules.pop(module, None)


def prepare_packages(lock):
    try:
        packages.activate(lock)
    except Exception as error:  # a .pth file may hold code
        raise Failure(f'the packages of packages.txt cannot be used\n\n{describe(error, 1)}') from None


def run_module(module, is_compiled):
    """Returns what it defines as `handler`, None for nothing."""
    try:
        code = is_compiled and read_compiled() or compile(read_file(_PATH), _PATH, 'exec', dont_inherit=True)
        exec(code, module.__dict__)
        return getattr(module, 'handler', None)  # a module may have a __getattr__ of its own
    except SystemExit as error:
        raise Failure(f'lambda_func.py called sys.exit({shown(error.code)}) while it was loaded') from None
    except SyntaxError as error:
        if error.filename == _PATH and error.__traceback__.tb_next is None:
            raise Failure(f'lambda_func.py cannot be loaded: syntax error\n\n{describe(error, 1)}') from None
        raise Failure(describe(error, 1)) from None
    except BaseException as error:
        raise Failure(f'lambda_func.py failed while it was loaded\n\n{describe(error, 1)}') from None


def read_compiled():
    """The module's code; None where it can't be compiled, though others of this version were."""
    try:
        return marshal.loads(read_file(_COMPILED_PATH)[_PYC_HEADER:])
    except FileNotFoundError:
        return None


def read_file(path):
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        content = os.read(file, _USUAL_BYTES)
        return content if len(content) < _USUAL_BYTES else content + os.read(file, os.fstat(file).st_size)
    finally:
        os.close(file)


def describe(error, own_frames):
    """The traceback as text, without the first frames, which are ours."""
    trace = error.__traceback__
    for _ in range(own_frames):
        trace = trace.tb_next if trace is not None else None
    try:
        return ''.join(traceback.format_exception(type(error), error, trace))
    except BaseException as second:  # the exception's own __str__, for one, is user code too
        return f'{type(error).__name__} (its text cannot be shown: {type(second).__name__})\n'


def shown(value, show=repr):
    """A value of the user's as text. Its own __repr__ or __str__ is user code too."""
    try:
        return show(value)
    except BaseException as error:
        return f'what cannot be shown: {type(error).__name__}'
