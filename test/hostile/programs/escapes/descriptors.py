import os
import socket
import struct

import tries


def kind(fd):
    return os.readlink(f'/proc/self/fd/{fd}').split(':')[0]


def all_open():
    """What is behind each, without the scan's own."""
    found = {}
    for fd in range(4096):
        try:
            os.fstat(fd)
        except OSError:
            continue
        found[fd] = kind(fd)
    return found


def sent_descriptors(fd):
    with socket.socket(fileno=os.dup(fd)) as connection:
        return connection.recvmsg(1, 1024, socket.MSG_DONTWAIT)


def peer(fd):
    with socket.socket(fileno=os.dup(fd)) as connection:
        return struct.unpack('iII', connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]


def secrets_in_memory():
    """In all that is no file of a directory: heap, stack, whatever else has been written to, and the zygote's memory."""
    found = set()
    with open('/proc/self/maps') as maps, open('/proc/self/mem', 'rb', buffering=0) as memory:
        for line in maps:
            span, mode, *_, path = line.split(maxsplit=5) if line.count(' ') > 5 else [*line.split(), '']
            is_memory = mode.startswith('rw') and not path.startswith(('/', '[v'))
            if is_memory or path.startswith('/memfd:'):
                start, end = (int(part, 16) for part in span.split('-'))
                memory.seek(start)
                found.update(tries.SECRET.findall(memory.read(end - start)))
    return found


def handler(event):
    """What came along from whoever has forked us: open files, and what is left in memory."""
    found = all_open()
    known = b'ol-canary-' + b'0' * 32  # so that it is certain that the scan finds one
    climbs = {
        f'{path} from {fd}': lambda fd=fd, path=path: tries.read(f'../../../../../..{path}', fd)
        for fd in found
        for path in event['canaries']
    }
    secrets = secrets_in_memory()
    sockets = [fd for fd, what in found.items() if what == 'socket']
    return {
        'all': ' '.join(f'{fd}={what}' for fd, what in found.items()),
        'secrets': tries.outcome(lambda: sorted(secrets - {known})),
        'the scan': tries.outcome(lambda: known in secrets),
        **{f'peer of {fd}': tries.outcome(lambda fd=fd: peer(fd)) for fd in sockets},
        **{f'descriptors sent to {fd}': tries.outcome(lambda fd=fd: sent_descriptors(fd)) for fd in sockets},
        **tries.outcomes(climbs),
    }
