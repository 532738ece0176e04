"""The root zygote: has sandboxes forked (`template.py`), each into namespaces of its own, forks package zygotes, and reaps what dies.

It runs trusted code only. PID 1 of the pid namespace (`init.py`) has started it: when it dies, what it has forked becomes the child of
that one, and goes on.
"""

import sys

RUNTIME = '/handler'

# `-I` keeps the script's own directory off the path, and it has to go again before user code runs.
sys.path.insert(0, RUNTIME)

import baseline  # noqa: F401 (first: it notes what is loaded)
import json
import os
import types

import _socket

import control

if sys.version_info < control.OLDEST_PYTHON:
    control.tell_fatal('python', f'the base image has {sys.version.split()[0]}')
    sys.exit(1)

import forker
import imports
import kernel
import links
import networks
import sandbox

sys.path.remove(RUNTIME)


class RootForker(forker.Forker):
    """What it forks is its own to reap."""

    def __init__(self, blueprint, connection, settings):
        kind = settings['network']
        self._links = links.Links(settings['generation']) if kind == 'nat' else None
        network = networks.Shared() if kind == 'host' else networks.Networks(self._links)
        super().__init__(blueprint, connection, network)
        self._ids = {}  # pid -> id, of children that have not been reaped

    def forked(self, pid, forked_id):
        self._ids[pid] = forked_id

    def reap(self):
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if self._spares.template is not None and pid == self._spares.template.pid:
                self._spares.template.forget()
                continue
            self._tell_end(pid, status)

    def link(self, forked_id, pid, pidfd):
        try:
            self._links.connect_process(pid, pidfd)
            control.tell(control.LINKED, forked_id)
        except OSError as error:
            control.tell_failed(forked_id, 'network', error)

    def _tell_end(self, pid, status):
        forked_id = self._ids.pop(pid, None)
        if forked_id is None:
            # A package zygote has forked it, or has left it behind.
            exited, killed, name = control.REAPED, control.REAPED_KILLED, pid
            if self._links is not None:
                self._links.forget(pid)
        else:
            self._networks.give_back(forked_id)
            exited, killed, name = control.EXITED, control.KILLED, forked_id
        control.tell_status(exited, killed, name, status)


def tell_ready():
    control.tell_ready(sys.version.split()[0], sys.implementation.cache_tag)


def hide_own_modules():
    """What a function finds by name is the library's and its own. Our code needs no names any more."""
    for name, module in list(sys.modules.items()):
        if (getattr(module, '__file__', None) or '').startswith(RUNTIME):
            del sys.modules[name]
    sys.modules['__main__'] = types.ModuleType('__main__')


def main():
    with open(control.SETTINGS_FD, 'rb') as file:
        settings = json.load(file)
    del os.environ[control.BIND_NOW]  # functions have the environment of the settings
    connection = _socket.socket(fileno=control.CONTROL_FD)
    blueprint = sandbox.Blueprint(settings)
    # Our own code is in memory by now; from here on nothing of it is to be seen where the handler's will be.
    kernel.detach(os.fsencode(RUNTIME))
    sys.path_importer_cache.clear()
    hide_own_modules()
    sandbox.server.rehearse()
    # What a handler prints before a crash is to be found in its file.
    sys.stdout.reconfigure(line_buffering=True)
    own = RootForker(blueprint, connection, settings)
    imports.note_homes()
    imports.settle()
    control.serve(connection, own.take_request, own.reap, tell_ready)


main()
