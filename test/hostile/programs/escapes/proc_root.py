import tries


def handler(event):
    """Through the kernel's own links: those of process 1, and of every process that the machine has told us of."""
    doors = [f'/proc/{pid}/{link}' for pid in (1, 'self', 'thread-self', *event['pids']) for link in ('root', 'cwd')]
    doors += ['/proc/1/task/1/root', '/proc/self/fd/0/..', '/dev/fd/1/..', '/proc/1/root/proc/1/root/../..']
    paths = [door + up + path for door in doors for up in ('', '/../../..') for path in event['canaries']]
    others = [f'/proc/{pid}/{name}' for pid in event['pids'] for name in ('environ', 'mem', 'maps', 'cmdline')]
    return tries.outcomes({path: lambda path=path: tries.read(path) for path in paths + others})
