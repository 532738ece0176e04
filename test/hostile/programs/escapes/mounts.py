import tries

MS_RDONLY, MS_REMOUNT, MS_BIND, MS_MOVE, MS_PRIVATE = 1, 32, 4096, 8192, 1 << 18
PLACES = ['/', '/usr', '/handler', '/packages', '/proc', '/proc/sys', '/proc/kcore', '/tmp', '/host', '/dev']


def mount(source, target, kind, flags=0, data=None):
    return tries.checked(tries.libc.mount(source, target, kind, flags, data))


def handler(event):
    """Mounting, by the old calls and the new, and taking what is mounted away."""
    number = event['numbers']
    actions = {
        'a tmpfs': lambda: mount(b'none', b'/tmp', b'tmpfs'),
        'proc': lambda: mount(b'proc', b'/host', b'proc'),
        'sysfs': lambda: mount(b'sysfs', b'/tmp', b'sysfs'),
        'cgroups': lambda: mount(b'cgroup', b'/tmp', b'cgroup', 0, b'memory'),
        'cgroups v2': lambda: mount(b'cgroup2', b'/tmp', b'cgroup2'),
        'devtmpfs': lambda: mount(b'dev', b'/tmp', b'devtmpfs'),
        'a disk': lambda: mount(b'/dev/sda', b'/tmp', b'ext4'),
        'an overlay': lambda: mount(b'o', b'/tmp', b'overlay', 0, b'lowerdir=/usr,upperdir=/host,workdir=/tmp'),
        'the root here': lambda: mount(b'/', b'/tmp', None, MS_BIND),
        'another root': lambda: tries.call(number['pivot_root'], b'/host', b'/host'),
        'open_tree': lambda: tries.call(number['open_tree'], -100 & 0xFFFFFFFF, b'/', 1),
        'move_mount': lambda: tries.call(number['move_mount'], 0, b'', -100 & 0xFFFFFFFF, b'/tmp', 4),
        'fsopen': lambda: tries.call(number['fsopen'], b'tmpfs', 0),
        'fspick': lambda: tries.call(number['fspick'], -100 & 0xFFFFFFFF, b'/', 0),
        'mount_setattr': lambda: tries.call(number['mount_setattr'], -100 & 0xFFFFFFFF, b'/usr', 0, 0, 0),
    }
    for place in PLACES:
        path = place.encode()
        actions |= {
            f'{place} writable': lambda path=path: mount(None, path, None, MS_REMOUNT | MS_BIND),
            f'{place} private': lambda path=path: mount(None, path, None, MS_PRIVATE),
            f'{place} away': lambda path=path: tries.checked(tries.libc.umount2(path, 2)),
            f'{place} elsewhere': lambda path=path: mount(path, b'/tmp', None, MS_MOVE),
        }
    return tries.outcomes(actions)
