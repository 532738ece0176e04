"""The first process of a container: serves one function, as a sandbox of the other engine does.

All that bounds a sandbox is the container's. What is left is the way to the worker: this makes the socket `server_pipe` in
/host, and takes the worker's connection before any code of the function runs. From then on the worker follows no path in there.

The one argument is the id of a lock, `-` for none, or `about`: then it only tells which Python this is.
"""

import sys

RUNTIME = '/runtime'

# `-I` keeps the script's own directory off the path, and it has to go again before user code runs.
sys.path.insert(0, RUNTIME)

import baseline  # noqa: F401 (first: it notes what is loaded)
import os
import types

import _socket

import server

sys.path.remove(RUNTIME)

SOCKET = '/host/server_pipe'
# As in a sandbox of the other engine.
LISTENER_FD = 3
BACKLOG = 8


def redirect_output():
    """What is printed is found in scratch space. The files are there already, and nobody has touched them yet."""
    for path, fd in (('/host/stdout', 1), ('/host/stderr', 2)):
        file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC)
        os.dup2(file, fd)
        os.close(file)
    sys.stdout.reconfigure(line_buffering=True)


def listen():
    listener = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    listener.bind(SOCKET)
    listener.listen(BACKLOG)
    if listener.fileno() == LISTENER_FD:
        return listener
    os.dup2(listener.fileno(), LISTENER_FD, inheritable=False)
    listener.close()
    return _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM, 0, LISTENER_FD)


def hide_own_modules():
    """What a function finds by name is the library's and its own. Our code needs no names any more."""
    sys.path_importer_cache.clear()
    for name, module in list(sys.modules.items()):
        if (getattr(module, '__file__', None) or '').startswith(RUNTIME):
            del sys.modules[name]
    sys.modules['__main__'] = types.ModuleType('__main__')


def main(word):
    redirect_output()
    if word == 'about':
        os.write(1, f'{sys.version_info[0]}.{sys.version_info[1]} {sys.implementation.cache_tag}\n'.encode())
        return
    listener = listen()
    worker, _address = listener._accept()
    hide_own_modules()
    server.serve(listener, word.encode('ascii'), worker)


main(sys.argv[1])
