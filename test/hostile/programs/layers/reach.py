import os
import socket
import stat

import tries


def connect(address, family=socket.AF_INET):
    with socket.socket(family) as client:
        client.settimeout(1)
        client.connect(address)
        return 'connected'


def make_disk():
    os.mknod('/tmp/ol-layer-disk', stat.S_IFBLK | 0o600, os.makedev(8, 0))


def become(uid):
    os.setresuid(uid, uid, uid)


def handler(event):
    """What a process does to others, to files and to the machine, where it has only one layer around it.

    Nothing here does harm where it works: files are opened and not written, and the signal is the one that does nothing.
    """
    pid = event['pid']
    mount = tries.libc.mount
    return tries.outcomes({
        'kill': lambda: os.kill(pid, 0),
        'trace': lambda: tries.checked(tries.libc.ptrace(16, pid, 0, 0)),
        'environment': lambda: tries.read(f'/proc/{pid}/environ'),
        'root of it': lambda: os.listdir(f'/proc/{pid}/root/'),
        'connect': lambda: connect(('127.0.0.1', event['port'])),
        'connect to an abstract socket': lambda: connect('\0' + event['abstract'], socket.AF_UNIX),
        'read what only root may': lambda: tries.read(event['rootOnly']),
        'read what anybody may': lambda: tries.read(event['public']),
        "open another user's file": lambda: tries.open_to_write(event['theirs']),
        'core_pattern': lambda: tries.open_to_write('/proc/sys/kernel/core_pattern'),
        'a file of the system': lambda: tries.open_to_write('/etc/passwd'),
        'a program of the system': lambda: os.close(os.open('/usr/bin/env', os.O_RDWR)),
        'raw socket': lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1).fileno(),
        'mknod': make_disk,
        'mount': lambda: tries.checked(mount(b'layer', b'/mnt', b'tmpfs', 0, None)),
        'host name': lambda: socket.sethostname('layer'),
        'another user': lambda: become(65534),
        'root': lambda: become(0),
        'chroot': lambda: os.chroot('/usr'),
    })
