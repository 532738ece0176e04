"""The system calls that Python's standard library does not offer, through ctypes. Each raises OSError on failure.

Everything here runs in trusted code: in the launcher, in the root zygote, and in a sandbox before user code.
"""

import ctypes
import os
import platform

# PyDLL keeps the GIL: a process that is cloned while another part of the interpreter runs would inherit a broken one.
_libc = ctypes.PyDLL(None, use_errno=True)
_api = ctypes.pythonapi

_ARM = platform.machine() == 'aarch64'
_SYS_PIVOT_ROOT = 41 if _ARM else 155
_SYS_CAPSET = 91 if _ARM else 126
# From open_tree (2019) on, system calls have one number on all machines.
_SYS_OPEN_TREE = 428
_SYS_MOVE_MOUNT = 429
_SYS_CLONE3 = 435
_SYS_CLOSE_RANGE = 436
_SYS_MOUNT_SETATTR = 442

AT_FDCWD = -100
_AT_EMPTY_PATH = 0x1000
_AT_RECURSIVE = 0x8000
_AT_SYMLINK_NOFOLLOW = 0x100
_OPEN_TREE_CLONE = 1
_OPEN_TREE_CLOEXEC = os.O_CLOEXEC
_MOVE_MOUNT_F_EMPTY_PATH = 4

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_REMOUNT = 32
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18
MNT_DETACH = 2

CLONE_NEWTIME = 0x80
CLONE_PIDFD = 0x1000
_CLONE_CHILD_CLEARTID = 0x200000
_CLONE_CHILD_SETTID = 0x1000000
CLONE_NEWNS = 0x20000
CLONE_NEWUTS = 0x4000000
CLONE_NEWIPC = 0x8000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_SECCOMP = 22
PR_CAPBSET_DROP = 24
PR_SET_NO_NEW_PRIVS = 38
PR_GET_TID_ADDRESS = 40
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_CLEAR_ALL = 4
SECCOMP_MODE_FILTER = 2
_CAPABILITY_VERSION_3 = 0x20080522

_long = ctypes.c_long
_ulong = ctypes.c_ulong
_pointer = ctypes.c_void_p
_text = ctypes.c_char_p

_syscall = _libc.syscall
_syscall.restype = _long

_prctl = _libc.prctl
_prctl.argtypes = [ctypes.c_int, _ulong, _ulong, _ulong, _ulong]

_mount = _libc.mount
_mount.argtypes = [_text, _text, _text, _ulong, _text]


def _checked(result, call, target):
    if result < 0:
        errno = ctypes.get_errno()
        raise OSError(errno, f'{call}: {os.strerror(errno)}', target)
    return result


def prctl(option, arg2=0, arg3=0):
    return _checked(_prctl(option, arg2, arg3, 0, 0), 'prctl', str(option))


def unshare(flags):
    _checked(_libc.unshare(flags), 'unshare', hex(flags))


def mount(source, target, kind, flags, data=None):
    encode = lambda text: None if text is None else os.fsencode(text)
    _checked(_mount(encode(source), encode(target), encode(kind), flags, encode(data)), 'mount', target)


def detach(target):
    """Takes the topmost mount at `target` out of the tree, now and for good."""
    _checked(_libc.umount2(os.fsencode(target), MNT_DETACH), 'umount2', target)


def bind_read_only(source, target):
    """Attaches what is mounted at `source` and below at `target` as well: read-only, nosuid, nodev, all of it."""
    flags = _OPEN_TREE_CLONE | _OPEN_TREE_CLOEXEC | _AT_RECURSIVE
    tree = _checked(_syscall(_SYS_OPEN_TREE, AT_FDCWD, _text(os.fsencode(source)), flags), 'open_tree', source)
    attr = (ctypes.c_uint64 * 4)(MS_RDONLY | MS_NOSUID | MS_NODEV, 0, 0, 0)
    how = _AT_EMPTY_PATH | _AT_RECURSIVE
    size = ctypes.c_size_t(ctypes.sizeof(attr))
    result = _syscall(_SYS_MOUNT_SETATTR, tree, _text(b''), how, ctypes.byref(attr), size)
    _checked(result, 'mount_setattr', source)
    attach(tree, target)
    os.close(tree)


def attach(tree, target):
    """Attaches a detached mount, given as a descriptor, at `target`."""
    path = _text(os.fsencode(target))
    result = _syscall(_SYS_MOVE_MOUNT, tree, _text(b''), AT_FDCWD, path, _MOVE_MOUNT_F_EMPTY_PATH)
    _checked(result, 'move_mount', target)


def make_root(path):
    """Makes the mount at `path` the root of this mount namespace; nothing of the old root stays reachable."""
    os.chdir(path)
    # Both arguments '.': the old root ends up stacked on the new one, and is detached from there.
    _checked(_syscall(_SYS_PIVOT_ROOT, _text(b'.'), _text(b'.')), 'pivot_root', path)
    detach('.')
    os.chdir('/')


class _CloneArgs(ctypes.Structure):
    _fields_ = [
        (name, ctypes.c_uint64)
        for name in (
            'flags', 'pidfd', 'child_tid', 'parent_tid', 'exit_signal', 'stack',
            'stack_size', 'tls', 'set_tid', 'set_tid_size', 'cgroup',
        )
    ]  # fmt: skip


def _thread_id_address():
    """Where glibc keeps the main thread's id; its own fork updates it in the child, and so must ours."""
    address = ctypes.c_uint64(0)
    if _prctl(PR_GET_TID_ADDRESS, ctypes.addressof(address), 0, 0, 0) < 0:
        return 0  # a kernel without CONFIG_CHECKPOINT_RESTORE; only robust and PI mutexes would notice
    return address.value


def clone(flags, signal):
    """Forks with new namespaces in one step: (0, -1) in the child, (pid, pidfd) in the parent.

    clone3 skips glibc's fork handlers, so no other thread may exist: it could hold a lock that the child needs.
    """
    pidfd = ctypes.c_int(-1)
    args = _CloneArgs(flags=flags | CLONE_PIDFD, pidfd=ctypes.addressof(pidfd), exit_signal=signal)
    args.child_tid = _thread_id_address()
    if args.child_tid:
        args.flags |= _CLONE_CHILD_SETTID | _CLONE_CHILD_CLEARTID
    reference, size = ctypes.byref(args), ctypes.c_size_t(ctypes.sizeof(args))
    _api.PyOS_BeforeFork()
    pid = _syscall(_SYS_CLONE3, reference, size)
    if pid == 0:
        _api.PyOS_AfterFork_Child()
        return 0, -1
    _api.PyOS_AfterFork_Parent()
    return _checked(pid, 'clone3', hex(flags)), pidfd.value


def close_from(first):
    """Closes every descriptor from `first` on."""
    _checked(_syscall(_SYS_CLOSE_RANGE, ctypes.c_uint(first), ctypes.c_uint(0xFFFFFFFF), 0), 'close_range', str(first))


def drop_capability_bounds(count):
    for capability in range(count):
        prctl(PR_CAPBSET_DROP, capability)


def drop_capabilities():
    """Empties the effective, permitted, inheritable and ambient sets of the calling thread."""
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    empty = (ctypes.c_uint32 * 6)()
    _checked(_syscall(_SYS_CAPSET, ctypes.byref(header), ctypes.byref(empty)), 'capset', 'self')


class _FilterProgram(ctypes.Structure):
    _fields_ = [('length', ctypes.c_ushort), ('filter', _pointer)]


class SeccompFilter:
    """A BPF program (8 bytes an instruction) that is ready to be loaded."""

    def __init__(self, program):
        self._code = ctypes.create_string_buffer(program, len(program))
        self._program = _FilterProgram(len(program) // 8, ctypes.addressof(self._code))

    def load(self):
        """Binds this process and all that it forks to the program; needs no privilege, and can't be undone."""
        prctl(PR_SET_NO_NEW_PRIVS, 1)
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.addressof(self._program))
