import ctypes
import os

import tries

IPC_PRIVATE, IPC_CREAT, IPC_STAT, IPC_INFO, SHM_STAT_ANY = 0, 0o1000, 2, 3, 15
FOR_ALL = IPC_CREAT | 0o666


def listed(key):
    """Whether the kernel shows something with this key, which is the machine's."""
    lists = [f'/proc/sysvipc/{name}' for name in ('shm', 'sem', 'msg')]
    return any(line.split()[0] == str(key) for path in filter(os.path.exists, lists) for line in open(path))


def handler(event):
    """What processes can share by a number or by a name: by those of others, which are for everybody, and by new ones."""
    number = event['numbers']
    buffer, name = ctypes.create_string_buffer(4096), ctypes.c_char_p(b'ol-queue')
    memory, semaphore, queue = event['ids']

    def call(what, *arguments):
        return lambda: tries.call(number[what], *arguments)

    by_key = {
        f'{what} {key:#x} {flags:#o}': call(what, key, *size, flags)
        for key in (event['key'], event['theirs'], IPC_PRIVATE)
        for flags in (0, FOR_ALL)
        for what, size in (('shmget', [4096]), ('semget', [1]), ('msgget', []))
    }
    return tries.outcomes({
        **by_key,
        'shmat': call('shmat', memory, None, 0),
        'shmdt': call('shmdt', buffer),
        'shmctl of one': call('shmctl', memory, IPC_STAT, buffer),
        'shmctl of all': call('shmctl', 0, IPC_INFO, buffer),
        'shmctl of the first': call('shmctl', 0, SHM_STAT_ANY, buffer),
        'semop': call('semop', semaphore, buffer, 1),
        'semtimedop': call('semtimedop', semaphore, buffer, 1, None),
        'semctl': call('semctl', semaphore, 0, IPC_STAT, buffer),
        'msgsnd': call('msgsnd', queue, ctypes.create_string_buffer(b'\1' * 16), 8, 0),
        'msgrcv': call('msgrcv', queue, buffer, 100, 0, 0),
        'msgctl': call('msgctl', queue, IPC_STAT, buffer),
        'mq_open': call('mq_open', name, os.O_RDWR, 0, None),
        'mq_open of a new one': call('mq_open', name, os.O_RDWR | os.O_CREAT, 0o666, None),
        'mq_unlink': call('mq_unlink', name),
        'mq_timedsend': call('mq_timedsend', 0, buffer, 1, 0, None),
        'mq_timedreceive': call('mq_timedreceive', 0, buffer, 4096, None, None),
        'mq_notify': call('mq_notify', 0, None),
        'mq_getsetattr': call('mq_getsetattr', 0, None, buffer),
        'mount the queues': lambda: tries.checked(tries.libc.mount(b'q', b'/tmp', b'mqueue', 0, None)),
        'the list': lambda: listed(event['theirs']),
    })
