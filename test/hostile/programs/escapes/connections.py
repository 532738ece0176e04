import concurrent.futures
import socket

import tries


def connect(host, port):
    family = socket.AF_INET6 if ':' in host else socket.AF_INET
    with socket.socket(family) as client:
        # What is dropped on its way is waited for no longer than that.
        client.settimeout(0.7)
        client.connect((host, port))
        return client.getpeername()


def connect_unix(name):
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(name)
        return 'connected'


def handler(event):
    """The worker, other services of the machine, where clouds keep their keys, and another sandbox."""
    with concurrent.futures.ThreadPoolExecutor(24) as pool:
        targets = {f'{host} {port}': (host, port) for host, port in event['targets']}
        pending = {name: pool.submit(tries.outcome, lambda to=to: connect(*to)) for name, to in targets.items()}
        report = {name: one.result() for name, one in pending.items()}
    sockets = [f'\0{name}' for name in event['abstract']] + event['sockets']
    return {**report, **{name.replace('\0', '@'): tries.outcome(lambda name=name: connect_unix(name)) for name in sockets}}
