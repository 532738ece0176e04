"""Serves one function: answers HTTP requests on the Unix socket `server_pipe`.

POST with the event as JSON is answered with what `handler(event)` returns, as JSON. The function's own failures are
500 with text, the traceback for one. An event that is not JSON is 400. A request with an X-Request-Id gets it back in the head
of its answer: so the worker knows that it is that request's, and not an earlier one's.
"""

import os
import select
import sys
from time import monotonic_ns

import _socket

import compiler
import function
from output import write_all

_MAX_HEAD = 65536
_MAX_TEXT = 65536
# Below the size from which malloc asks the kernel for memory each time.
_READ_SIZE = 65536
# Of a request: most have less, and a child writes to fewer pages of its heap for it.
_FIRST_READ_SIZE = 8192

_JSON_OK = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n%sX-Took-Us: %d\r\nContent-Length: %d\r\n\r\n'
_TEXT = b'HTTP/1.1 %d %s\r\nContent-Type: text/plain; charset=utf-8\r\n%sX-Took-Us: %d\r\nContent-Length: %d\r\n\r\n'
# In the first answer: when the code was loaded. So the worker knows what a start costs, and by X-Took-Us what a call does.
_LOADED = b'X-Loaded-Ns: %d\r\n'
_REHEARSALS = 20
_REHEARSED = b'POST / HTTP/1.1\r\nHost: sandbox\r\nX-Request-Id: 12345678\r\nContent-Length: 11\r\n\r\n{"a": null}'
# How long there has to be no call before memory is given back: less than until a sandbox is paused. The next call takes up to 0.2 ms more,
# so that one that is called all the time does not do it each time.
_REST_MS = 10
_GIVE_BACK_EVERY_NS = 10_000_000_000
_CONTINUE = b'HTTP/1.1 100 Continue\r\n\r\n'


def serve(listener, lock, worker=None, image=None):
    """Never returns. `lock` names the function's packages. `image`: by what memory is given back while there is no call.

    The worker keeps one connection; others come from people who look into a sandbox. Where the worker's own is given, we end
    with it: nobody else may be there to end us.
    """
    served = function.Function(lock)
    note = _LOADED % monotonic_ns()
    poll = select.poll()
    poll.register(listener, select.POLLIN)
    if worker is not None:
        poll.register(worker, select.POLLIN)
    give_back_from, patience = 0, None
    while True:
        ready = poll.poll(patience)
        patience = None
        if not ready:
            image.give_back()
            give_back_from = monotonic_ns() + _GIVE_BACK_EVERY_NS
        for fd, _events in ready:
            if fd == listener.fileno():
                connection, _address = listener._accept()
                poll.register(connection, select.POLLIN)
            elif answer(fd, served, note):
                note = b''
                if image is not None and monotonic_ns() >= give_back_from:
                    patience = _REST_MS
            elif fd == worker:
                os._exit(0)
            else:
                poll.unregister(fd)
                os.close(fd)


def serve_compiled(listener):
    """Answers one request with the function's code, compiled, and ends."""
    connection, _address = listener._accept()
    request = read_request(connection)
    if request is not None:
        body = compiler.compile_all()
        write_all(connection, _JSON_OK % (request[0], 0, len(body)) + body)
    os._exit(0)


def answer(connection, served, note=b''):
    """Reads one request and answers it, with `note` in the head; False when the connection is at its end."""
    try:
        request = read_request(connection)
        if request is None:
            return False
        request_id, body = request
        write_all(connection, respond(served, body, note + request_id))
        return True
    except OSError:
        return False  # the other side went away: nobody is left to tell


def respond(served, body, note):
    """The whole HTTP response to an event."""
    began = monotonic_ns()
    try:
        result = served.call(body)
        return _JSON_OK % (note, (monotonic_ns() - began) // 1000, len(result)) + result
    except function.Failure as failure:
        return text_response(500, b'Internal Server Error', as_lines(str(failure)), note, began)
    except function.BadEvent as error:
        return text_response(400, b'Bad Request', str(error), note, began)
    finally:
        flush_output()


def read_request(connection):
    """The line with the id of the next request, and its body; None at the end of the connection."""
    data = os.read(connection, _FIRST_READ_SIZE)
    while (end := data.find(b'\r\n\r\n')) < 0:
        chunk = os.read(connection, _READ_SIZE)
        if not chunk or len(data) > _MAX_HEAD:
            return None
        data += chunk
    head, body = data[: end + 2].lower(), data[end + 4 :]
    length = content_length(head)
    if length > len(body):
        if b'100-continue' in head:
            write_all(connection, _CONTINUE)
        body = read_rest(connection, body, length)
        if body is None:
            return None
    return request_id_line(head, data), body


def request_id_line(head, data):
    """As it is in `data`, whose head in lower case is `head`; nothing where there is none."""
    at = head.find(b'\r\nx-request-id:') + 2
    return data[at : head.find(b'\r\n', at) + 2] if at > 1 else b''


def content_length(head):
    """What a head in lower case says; 0 where it says nothing that can be read."""
    at = head.find(b'\r\ncontent-length:')
    if at < 0:
        return 0
    digits = head[at + 17 : head.find(b'\r\n', at + 17)].strip()
    return int(digits) if digits.isdigit() and len(digits) < 16 else 0


def read_rest(connection, start, length):
    body = bytearray(start)
    while len(body) < length:
        chunk = os.read(connection, min(_READ_SIZE, length - len(body)))
        if not chunk:
            return None
        body += chunk
    return bytes(body)


def as_lines(text):
    """A traceback ends with its line; whoever calls by hand wants the same of every other text."""
    return text if text.endswith('\n') else text + '\n'


def text_response(status, reason, text, note, began):
    if len(text) > _MAX_TEXT:
        text = text[:_MAX_TEXT] + '\n... (cut)\n'
    body = text.encode('utf-8', 'backslashreplace')
    return _TEXT % (status, reason, note, (monotonic_ns() - began) // 1000, len(body)) + body


def flush_output():
    """What was printed is in the files before the response is sent."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:
            pass  # the handler closed or replaced its own stream, or filled its disk: its output is its own affair


def rehearse():
    """Does in the zygote, often enough, what each sandbox will do once.

    The interpreter makes code faster, and writes to it, while it runs for the first times (PEP 659): better here, where
    it happens once, than in each child on pages of its own.
    """
    ours, theirs = _socket.socketpair()
    served = function.Function.rehearsed()
    for _ in range(_REHEARSALS):
        theirs.send(_REHEARSED)
        answer(ours.fileno(), served)
        theirs.recv(_READ_SIZE)
    ours.close()
    theirs.close()
