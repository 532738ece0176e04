"""Serves one function: loads its code, and answers HTTP requests on the Unix socket `server_pipe`.

POST with the event as JSON is answered with what `handler(event)` returns, as JSON. The function's own failures are
500 with the traceback as text, which shows the user's lines alone. An event that is not JSON is 400.
"""

import json
import os
import re
import select
import sys
import traceback
from importlib.machinery import ModuleSpec, SourceFileLoader
from types import ModuleType

import baseline

CODE_DIR = '/handler'
MODULE = 'lambda_func'
_PATH = f'{CODE_DIR}/{MODULE}.py'

_MAX_HEAD = 65536
_MAX_TEXT = 65536
_READ_SIZE = 262144
_CONTENT_LENGTH = re.compile(rb'^content-length:[ \t]*(\d+)[ \t]*\r$', re.IGNORECASE | re.MULTILINE)

_JSON_OK = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n'
_TEXT = b'HTTP/1.1 %d %s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\n\r\n'
_CONTINUE = b'HTTP/1.1 100 Continue\r\n\r\n'
_REASONS = {400: b'Bad Request', 500: b'Internal Server Error'}


class Failure(Exception):
    """The function can't answer; the text says why, to whoever wrote it."""


def serve(listener):
    """Never returns. The worker keeps one connection; others come from people who look into a sandbox."""
    function = Function()
    connections = {}
    poll = select.poll()
    poll.register(listener, select.POLLIN)
    while True:
        for fd, _events in poll.poll():
            if fd == listener.fileno():
                connection, _address = listener.accept()
                connections[connection.fileno()] = connection
                poll.register(connection, select.POLLIN)
            elif not answer(connections[fd], function):
                poll.unregister(fd)
                connections.pop(fd).close()


def answer(connection, function):
    """Reads one request and answers it; False when the connection is at its end."""
    try:
        body = read_request(connection)
        if body is None:
            return False
        connection.sendall(function.respond(body))
        return True
    except OSError:
        return False  # the other side went away: nobody is left to tell


def read_request(connection):
    """The body of the next request, or None at the end of the connection."""
    data = b''
    while (end := data.find(b'\r\n\r\n')) < 0:
        chunk = connection.recv(_READ_SIZE)
        if not chunk or len(data) > _MAX_HEAD:
            return None
        data += chunk
    head, body = data[: end + 2], data[end + 4 :]
    match = _CONTENT_LENGTH.search(head)
    length = int(match[1]) if match else 0
    if length > len(body):
        if b'100-continue' in head:
            connection.sendall(_CONTINUE)
        body = read_rest(connection, body, length)
    return body


def read_rest(connection, start, length):
    body = bytearray(length)
    body[: len(start)] = start
    view, at = memoryview(body), len(start)
    while at < length:
        count = connection.recv_into(view[at:])
        if count == 0:
            return None
        at += count
    return bytes(body)


class Function:
    def __init__(self):
        self._failure = None
        try:
            self._handler = load()
        except Failure as failure:
            self._failure = str(failure)

    def respond(self, body):
        """The whole HTTP response to an event."""
        try:
            event = parse_event(body)
        except ValueError as error:
            return text_response(400, str(error))
        try:
            result = self._invoke(event)
            return _JSON_OK % len(result) + result
        except Failure as failure:
            return text_response(500, str(failure))
        finally:
            flush_output()

    def _invoke(self, event):
        if self._failure is not None:
            raise Failure(self._failure)
        try:
            result = self._handler(event)
        except SystemExit as error:
            raise Failure(f'handler called sys.exit({error.code!r}): return a result instead') from None
        except BaseException as error:
            raise Failure(describe(error, 1)) from None
        return encode_result(result)


def parse_event(body):
    """The event in a request's body; nothing is an empty object. Raises ValueError for what is not JSON in UTF-8."""
    if not body.strip():
        return {}
    try:
        return json.loads(body.decode('utf-8'), parse_constant=refuse_constant)
    except RecursionError:
        raise ValueError('it is nested too deeply') from None


def refuse_constant(name):
    raise ValueError(f'{name} is not JSON')


def encode_result(result):
    try:
        text = json.dumps(result, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise Failure(f'handler returned something that JSON cannot hold: {error}') from None
    except BaseException as error:  # a result of the user's own type can do anything while it is looked at
        raise Failure(describe(error, 1)) from None
    try:
        return text.encode()
    except UnicodeEncodeError:  # half a surrogate pair, which JSON can hold only as an escape
        return json.dumps(result, allow_nan=False).encode()


def text_response(status, text):
    body = text.encode('utf-8', 'backslashreplace')
    return _TEXT % (status, _REASONS[status], len(body)) + body


def flush_output():
    """What was printed is in the files before the response is sent."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:
            pass  # the handler closed or replaced its own stream, or filled its disk: its output is its own affair


def load():
    """Runs lambda_func.py as a module, and returns its handler. Raises Failure.

    Compiled and run here, without the import system: the first import in a fresh child costs up to 2 ms.
    """
    prepare_imports()
    module = ModuleType(MODULE)
    module.__file__ = _PATH
    module.__spec__ = ModuleSpec(MODULE, SourceFileLoader(MODULE, _PATH), origin=_PATH)
    module.__spec__.has_location = True
    module.__loader__ = module.__spec__.loader
    sys.modules[MODULE] = module
    run_module(module)
    handler = getattr(module, 'handler', None)
    if handler is None:
        raise Failure('lambda_func.py defines no handler: write `def handler(event): ...`')
    if not callable(handler):
        raise Failure(f'handler in lambda_func.py is a {type(handler).__name__}, not a function')
    return handler


def prepare_imports():
    """As if the interpreter had been started for the handler: its modules come before ours and the library's."""
    sys.path.insert(0, CODE_DIR)
    for name in os.listdir(CODE_DIR):
        module = name.removesuffix('.py')
        if module not in baseline.MODULES:
            sys.modules.pop(module, None)


def run_module(module):
    try:
        with open(_PATH, 'rb') as file:
            source = file.read()
        exec(compile(source, _PATH, 'exec', dont_inherit=True), module.__dict__)
    except SystemExit as error:
        raise Failure(f'lambda_func.py called sys.exit({error.code!r}) while it was loaded') from None
    except SyntaxError as error:
        if error.filename == _PATH and error.__traceback__.tb_next is None:
            raise Failure(f'lambda_func.py cannot be loaded: syntax error\n\n{describe(error, 1)}') from None
        raise Failure(describe(error, 1)) from None
    except BaseException as error:
        raise Failure(f'lambda_func.py failed while it was loaded\n\n{describe(error, 1)}') from None


def describe(error, own_frames):
    """The traceback as text, without the first frames, which are ours."""
    trace = error.__traceback__
    for _ in range(own_frames):
        trace = trace.tb_next if trace is not None else None
    try:
        text = ''.join(traceback.format_exception(type(error), error, trace))
    except BaseException as second:  # the exception's own __str__, for one, is user code too
        text = f'{type(error).__name__} (its text cannot be shown: {type(second).__name__})\n'
    return text if len(text) <= _MAX_TEXT else text[:_MAX_TEXT] + '\n... (cut)\n'
