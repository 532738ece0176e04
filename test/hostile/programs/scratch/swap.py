import ctypes
import os
import time

libc = ctypes.CDLL(None, use_errno=True)
AT_FDCWD, RENAME_EXCHANGE = -100, 2


def exchange(one, other):
    return libc.renameat2(AT_FDCWD, one.encode(), AT_FDCWD, other.encode(), RENAME_EXCHANGE)


def prepare(targets):
    """Beside each of the worker's names, and some of our own: links to the machine's files and directories."""
    os.makedirs('/host/real/deep/er')
    for depth in ('real', 'real/deep', 'real/deep/er'):
        for number in range(20):
            open(f'/host/{depth}/{number}', 'w').close()
    pairs = []
    for number, target in enumerate(targets):
        for name in ('stdout', 'stderr', 'server_pipe', 'real', 'real/deep', 'real/deep/er'):
            link = f'/host/link-{number}-{name.replace("/", "-")}'
            os.symlink(target, link)
            pairs.append((f'/host/{name}', link))
    return pairs


def swap_forever(pairs):
    """Both names change places in one step, so each is there at every moment, as one thing or the other."""
    while True:
        for one, other in pairs:
            exchange(one, other)


def handler(event):
    pairs = prepare(event['targets'])
    for _ in range(2):
        if os.fork() == 0:
            swap_forever(pairs)
    time.sleep(event['seconds'])
    if event['end'] == 'exit':
        os._exit(3)
    if event['end'] == 'hang':
        time.sleep(60)
    return 'swapping'
