import mmap
import os

import tries

EXE = '/proc/self/exe'


def map_shared():
    with open(EXE, 'rb') as file:
        return len(mmap.mmap(file.fileno(), 4096, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE))


def handler(event):
    """The interpreter is a file of the machine's: whoever can write to it runs as root there, sooner or later."""
    real = os.path.realpath(EXE)
    open('/host/mine', 'w').close()
    reopened = f'/proc/self/fd/{os.open(EXE, os.O_PATH)}'
    paths = {'exe': EXE, 'a descriptor of it': reopened, 'its file': real, 'the loader': '/usr/lib/os-release'}
    actions = {f'write to {name}': lambda path=path: tries.open_to_write(path) for name, path in paths.items()}
    return tries.outcomes({
        **actions,
        'truncate': lambda: os.truncate(EXE, 10**9),
        'map it shared': map_shared,
        'change its mode': lambda: os.chmod(real, 0o4777),
        'change its times': lambda: os.utime(EXE, (1, 1)),
        'put another one there': lambda: os.rename('/host/mine', real),
        'unlink it': lambda: os.unlink(real),
        'link it here': lambda: os.link(real, '/host/python'),
        'link it here by a descriptor': lambda: os.link(reopened, '/host/python', follow_symlinks=True),
    })
