import signal
import subprocess

import tries

NEW = {
    'time': 0x80, 'mnt': 0x20000, 'cgroup': 0x2000000, 'uts': 0x4000000, 'ipc': 0x8000000, 'user': 0x10000000,
    'pid': 0x20000000, 'net': 0x40000000,
}  # fmt: skip
CLONE_ARGS = 88


def clone3(number, flags):
    arguments = tries.ctypes.create_string_buffer(flags.to_bytes(8, 'little'), CLONE_ARGS)
    return tries.call(number, arguments, CLONE_ARGS)


def by_program():
    """As root of a namespace of its own."""
    done = subprocess.run(['/usr/bin/unshare', '--user', '--map-root-user', 'id', '-u'], capture_output=True)
    return done.returncode != 0, done.stdout


def handler(event):
    """In a user namespace of its own a process has every capability, and most of the kernel to try them on."""
    number = event['numbers']
    actions = {}
    for name, flags in NEW.items():
        both = flags | NEW['user']
        actions |= {
            f'unshare {name}': lambda flags=flags: tries.checked(tries.libc.unshare(flags)),
            f'unshare user and {name}': lambda both=both: tries.checked(tries.libc.unshare(both)),
            f'clone {name}': lambda flags=flags: tries.call(number['clone'], flags | signal.SIGCHLD, 0, 0, 0, 0),
            f'clone3 {name}': lambda flags=flags: clone3(number['clone3'], flags),
        }
    return {**tries.outcomes(actions), 'by a program': tries.outcome(by_program)}
