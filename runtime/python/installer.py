"""Resolves and installs packages. It is the code of a function of the worker's own, served in a sandbox like any other:
what an installer downloads, unpacks and runs is nobody's friend.

An event is `{"step": "resolve", "requirements": [...], "build": bool}`, answered with `{"lines": text}`; or `{"step": "install",
"packages": [{"dir", "lines"}], "build": bool}`, answered with `{"failed": {dir: text}}`, where /host/out/<dir> is what was
installed. Both may be answered with `{"error": text}`. `tool` and `options` in it say what does it.

The sandbox has no network but its loopback. A relay listens there and passes all bytes on to the worker's proxy, whose
socket is beside this file.
"""

import marshal
import os
import selectors
import socket
import subprocess
import sys
import threading
from importlib.util import MAGIC_NUMBER, cache_from_source, source_hash

HERE = '/handler'
WORK = '/host'
OUT = '/host/out'
STORE = '/packages'
_AT_ONCE = 4
_CHUNK = 65536
_MAX_SAID = 20000
_UV = HERE + '/uv'
_PYTHON = sys.executable


def handler(event):
    for name in ('out', 'tmp', 'cache'):
        os.makedirs(os.path.join(WORK, name), exist_ok=True)
    tool = TOOLS[event['tool']](event['options'], environment(relay_port()))
    if event['step'] == 'resolve':
        return tool.resolve(event['requirements'], event['build'])
    return install(tool, event['packages'], event['build'])


def install(tool, packages, build):
    failed = {}
    left = list(packages)

    def work():
        while True:
            try:
                package = left.pop()
            except IndexError:
                return  # another thread has taken the last one
            error = tool.install(package, build)
            if error is not None:
                failed[package['dir']] = error

    # Without concurrent.futures, which takes longer to import than a small package to install.
    threads = [threading.Thread(target=work) for _ in range(min(_AT_ONCE, len(packages)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    compile_packages([package['dir'] for package in packages if package['dir'] not in failed])
    return {'failed': failed}


class Uv:
    def __init__(self, options, env):
        self._options = options
        self._env = env

    def resolve(self, requirements, build):
        write(WORK + '/requirements.in', requirements)
        words = ['pip', 'compile', 'requirements.in', '--generate-hashes', '--no-annotate', '--no-header']
        error = self._run([*words, *([] if build else ['--no-build']), '--output-file', 'resolved.txt'])
        if error is not None:
            return {'error': error}
        with open(WORK + '/resolved.txt') as file:
            return {'lines': file.read()}

    def install(self, package, build):
        target = os.path.join(OUT, package['dir'])
        listed = os.path.join(WORK, package['dir'] + '.txt')
        write(listed, package['lines'])
        words = ['pip', 'install', '--target', target, '--no-deps', '--require-hashes', '--requirements', listed]
        error = self._run(words if build else [*words, '--no-build'])
        if error is None:
            remove_if_there(os.path.join(target, '.lock'))
        return error

    def _run(self, words):
        return run([_UV, *words, '--python', _PYTHON, *self._options], self._env)


class Pip:
    def __init__(self, options, env):
        self._options = options
        self._env = env

    def resolve(self, requirements, build):
        import json

        write(WORK + '/requirements.in', requirements)
        words = ['install', '--dry-run', '--ignore-installed', '--report', 'report.json', '-r', 'requirements.in']
        error = self._run(words if build else [*words, '--only-binary', ':all:'])
        if error is not None:
            return {'error': error}
        with open(WORK + '/report.json') as file:
            report = json.load(file)
        return {'lines': '\n'.join(map(self._line, report['install']))}

    @staticmethod
    def _line(item):
        metadata = item['metadata']
        archive = item['download_info']['archive_info']
        sha256 = archive.get('hashes', {}).get('sha256') or archive['hash'].partition('sha256=')[2]
        return f'{metadata["name"]}=={metadata["version"]} --hash=sha256:{sha256}'

    def install(self, package, build):
        listed = os.path.join(WORK, package['dir'] + '.txt')
        write(listed, package['lines'])
        words = ['install', '--target', os.path.join(OUT, package['dir']), '--no-deps', '--require-hashes', '--no-compile', '-r', listed]
        return self._run(words if build else [*words, '--only-binary', ':all:'])

    def _run(self, words):
        pip = [_PYTHON, '-m', 'pip', '--isolated', '--no-input', '--disable-pip-version-check', '--no-cache-dir', '--quiet', '--retries', '1']
        return run([*pip, *words, *self._options], self._env)


TOOLS = {'uv': Uv, 'pip': Pip}


def run(words, env):
    """What it said, where it failed; else None."""
    try:
        done = subprocess.run(words, cwd=WORK, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    except OSError as error:
        return f'{words[0]} cannot be run: {error.strerror}'
    if done.returncode == 0:
        return None
    said = done.stdout[-_MAX_SAID:].decode('utf-8', 'replace').strip()
    return said or f'{os.path.basename(words[0])} ended with {done.returncode}'


def write(path, lines):
    with open(path, 'w') as file:
        file.write('\n'.join([*lines, '']))


def remove_if_there(path):
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass


def environment(port):
    proxy = f'http://127.0.0.1:{port}'
    certificates = HERE + '/certs.pem'
    return {
        'PATH': '/usr/local/bin:/usr/bin:/bin',
        'HOME': WORK,
        'LANG': 'C.UTF-8',
        'TMPDIR': WORK + '/tmp',
        'NO_COLOR': '1',
        'HTTP_PROXY': proxy,
        'HTTPS_PROXY': proxy,
        'http_proxy': proxy,
        'https_proxy': proxy,
        'SSL_CERT_FILE': certificates,
        'PIP_CERT': certificates,
        'REQUESTS_CA_BUNDLE': certificates,
        'UV_CACHE_DIR': WORK + '/cache',
        'UV_NO_CONFIG': '1',
        'UV_HTTP_RETRIES': '1',
        'UV_NO_PROGRESS': '1',
        'UV_PYTHON_DOWNLOADS': 'never',
        'UV_BREAK_SYSTEM_PACKAGES': '1',
        'PIP_BREAK_SYSTEM_PACKAGES': '1',
    }


def compile_packages(dirs):
    """Makes .pyc files that are valid where functions see them, whatever the times of their sources, for ever. All cores have
    about as much to do: the largest files are dealt out first."""
    files = sorted((file for name in dirs for file in sources(os.path.join(OUT, name))), reverse=True)
    shares = min(len(files), os.cpu_count() or 1)
    children = []
    for share in range(shares):
        child = os.fork()
        if child == 0:
            status = 1
            try:
                for _size, path in files[share::shares]:
                    compile_source(path)
                status = 0
            finally:
                os._exit(status)
        children.append(child)
    ends = [os.waitpid(child, 0)[1] for child in children]
    if any(ends):
        raise ChildProcessError('what was installed could not be compiled: there may be too little memory or disk for it')


def sources(path):
    """The size and path of each."""
    for directory, _directories, names in os.walk(path):
        for name in names:
            file = os.path.join(directory, name)
            if name.endswith('.py') and os.path.isfile(file) and not os.path.islink(file):
                yield os.path.getsize(file), file


def compile_source(path):
    """As `compileall` does it, which takes longer to import than a small package to compile."""
    with open(path, 'rb') as file:
        source = file.read()
    try:
        code = compile(source, STORE + path.removeprefix(OUT), 'exec', dont_inherit=True)
    except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError):
        return  # for another Python, or a test for it; importing it says what is wrong
    target = cache_from_source(path)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    remove_if_there(target)
    with open(target, 'wb') as file:
        # PEP 552: never checked against its source, whose hash is there all the same.
        file.write(MAGIC_NUMBER + (1).to_bytes(4, 'little') + source_hash(source) + marshal.dumps(code))


_relay = None


def relay_port():
    global _relay
    if _relay is None:
        _relay = socket.create_server(('127.0.0.1', 0), backlog=64)
        threading.Thread(target=relay, args=(_relay,), daemon=True).start()
    return _relay.getsockname()[1]


def relay(listener):
    """Passes on what comes, either way, for ever."""
    waiting = selectors.DefaultSelector()
    waiting.register(listener, selectors.EVENT_READ)
    while True:
        for key, _events in waiting.select():
            if key.fileobj is listener:
                accept(listener, waiting)
            elif not pass_on(key.fileobj, key.data):
                close_both(key.fileobj, key.data, waiting)
                break  # what else is ready may belong to the pair that is closed


def accept(listener, waiting):
    inner, _address = listener.accept()
    # What is said in a handshake comes in small pieces: held back until the one before is acknowledged, each takes up to 40 ms.
    inner.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    outer = socket.socket(socket.AF_UNIX)
    outer.connect(HERE + '/proxy')
    waiting.register(inner, selectors.EVENT_READ, outer)
    waiting.register(outer, selectors.EVENT_READ, inner)


def pass_on(source, target):
    try:
        data = source.recv(_CHUNK)
        if data:
            target.sendall(data)
        return bool(data)
    except OSError:
        return False  # one side went away


def close_both(one, other, waiting):
    for end in (one, other):
        waiting.unregister(end)
        end.close()
