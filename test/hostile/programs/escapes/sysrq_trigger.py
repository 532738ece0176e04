import os

import tries


def ask_for_help():
    """The one letter that does nothing but print: should it get through, nobody is harmed."""
    fd = os.open('/proc/sysrq-trigger', os.O_WRONLY)
    return os.write(fd, b'h')


def handler(event):
    return tries.outcomes({
        'write': ask_for_help,
        'change its mode': lambda: os.chmod('/proc/sysrq-trigger', 0o777),
        'switch it on': lambda: tries.open_to_write('/proc/sys/kernel/sysrq'),
    })
