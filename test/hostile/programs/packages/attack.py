"""What a package's own code tries where it runs: while it is built, installed or imported. `found` is what came of it."""

import os
import socket


def outcome(action):
    try:
        return f'got {action()!r}'[:200]
    except Exception as error:
        return type(error).__name__


def read(path):
    with open(path) as file:
        return file.read(100)


def write(path):
    with open(path, 'a') as file:
        file.write('x')


def connect(host, port):
    with socket.create_connection((host, port), timeout=1):
        return 'connected'


def status(key):
    return read_lines('/proc/self/status')[key]


def read_lines(path):
    with open(path) as file:
        return dict(line.split(':\t', 1) for line in file.read().splitlines() if ':\t' in line)


def proxy(target):
    """What the proxy says, which is the one way out."""
    port = int(os.environ['HTTP_PROXY'].rsplit(':', 1)[1])
    with socket.create_connection(('127.0.0.1', port)) as connection:
        connection.sendall(b'CONNECT ' + target.encode() + b' HTTP/1.1\r\n\r\n')
        return connection.recv(100).split(b'\r')[0].decode().split(' ')[1]


def attack(canaries, port):
    found = {f'read {path}': outcome(lambda path=path: read(path)) for path in [*canaries, '/etc/shadow']}
    for path in [*canaries, '/packages/x', '/handler/lambda_func.py', '/usr/bin/python3', '/etc/passwd']:
        found[f'write {path}'] = outcome(lambda path=path: write(path))
    for host in ('127.0.0.1', '::1', '169.254.169.254'):
        found[f'connect {host}'] = outcome(lambda host=host: connect(host, port))
    found['uid'] = os.getuid()
    found['capabilities'] = status('CapEff').strip()
    found['directories'] = sorted(set(os.listdir('/')) & {'root', 'home', 'var', 'srv', 'sys'})
    if 'HTTP_PROXY' in os.environ:
        for target in (f'127.0.0.1:{port}', f'localhost:{port}', '10.0.0.1:443', '169.254.169.254:80', '[::1]:22'):
            found[f'proxy {target}'] = outcome(lambda target=target: proxy(target))
    return found
