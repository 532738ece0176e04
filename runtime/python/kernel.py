"""The system calls that Python's standard library does not offer, through ctypes. Each raises OSError on failure.

Everything here runs in trusted code: in the launcher, in the root zygote, and in a sandbox before user code.
"""

import ctypes
import os
import platform

import arena

# PyDLL keeps the GIL: a process that is cloned while another part of the interpreter runs would inherit a broken one.
_libc = ctypes.PyDLL(None, use_errno=True)

_ARM = platform.machine() == 'aarch64'
_SYS_PIVOT_ROOT = 41 if _ARM else 155
# From open_tree (2019) on, system calls have one number on all machines.
_SYS_OPEN_TREE = 428
_SYS_MOVE_MOUNT = 429
_SYS_CLONE3 = 435
_SYS_CLOSE_RANGE = 436
_SYS_MOUNT_SETATTR = 442

AT_FDCWD = -100
LAST_FD = 0xFFFFFFFF
_AT_EMPTY_PATH = 0x1000
_AT_RECURSIVE = 0x8000
_OPEN_TREE_CLONE = 1
_OPEN_TREE_CLOEXEC = os.O_CLOEXEC
MOVE_MOUNT_F_EMPTY_PATH = 4

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_REMOUNT = 32
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18
MNT_DETACH = 2

CLONE_FILES = 0x400
CLONE_PIDFD = 0x1000
CLONE_PARENT = 0x8000
CLONE_INTO_CGROUP = 0x200000000
_CLONE_PARENT_SETTID = 0x100000
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
CAPABILITY_VERSION_3 = 0x20080522

_int = ctypes.c_int
_uint = ctypes.c_uint
_long = ctypes.c_long
_ulong = ctypes.c_ulong
_pointer = ctypes.c_void_p
_text = ctypes.c_char_p


def function(name, result, *arguments):
    """A C function with its types fixed. Each call of this makes another one, even of the same name."""
    made = _libc[name]
    made.restype = result
    made.argtypes = arguments
    return made


def _system_call(*arguments):
    return function('syscall', _long, _long, *arguments)


_prctl = function('prctl', _int, _int, _ulong, _ulong, _ulong, _ulong)
_mount = function('mount', _int, _text, _text, _text, _ulong, _text)
_umount2 = function('umount2', _int, _text, _int)
_unshare = function('unshare', _int, _int)
_setns = function('setns', _int, _int, _int)
_pivot_root = _system_call(_text, _text)
_open_tree = _system_call(_int, _text, _uint)
_mount_setattr = _system_call(_int, _text, _uint, _pointer, ctypes.c_size_t)
_move_mount = _system_call(_int, _text, _int, _text, _uint)
_clone3 = _system_call(_pointer, ctypes.c_size_t)
_close_range = _system_call(_uint, _uint, _uint)

# Python's own part of a fork.
before_fork = ctypes.pythonapi.PyOS_BeforeFork
after_fork_in_child = ctypes.pythonapi.PyOS_AfterFork_Child
after_fork_in_parent = ctypes.pythonapi.PyOS_AfterFork_Parent
for _hook in (before_fork, after_fork_in_child, after_fork_in_parent):
    _hook.restype = None


def _checked(result, call, target):
    if result < 0:
        errno = ctypes.get_errno()
        raise OSError(errno, f'{call}: {os.strerror(errno)}', target)
    return result


def prctl(option, arg2=0, arg3=0):
    return _checked(_prctl(option, arg2, arg3, 0, 0), 'prctl', option)


def unshare(flags):
    _checked(_unshare(flags), 'unshare', hex(flags))


def set_namespace(fd, kind):
    """Puts the calling thread into the namespace that is open at `fd`; `kind` is its CLONE_NEW flag."""
    _checked(_setns(fd, kind), 'setns', hex(kind))


def close_from(lowest):
    """Closes every descriptor from this number on."""
    _checked(_close_range(_SYS_CLOSE_RANGE, lowest, LAST_FD, 0), 'close_range', lowest)


# Paths are bytes: they come ready-made, and nothing is converted in a sandbox that has just been forked.


def mount(source, target, kind, flags, data=None):
    _checked(_mount(source, target, kind, flags, data), 'mount', target)


def detach(target):
    """Takes the topmost mount at `target` out of the tree, now and for good."""
    _checked(_umount2(target, MNT_DETACH), 'umount2', target)


def bind_read_only(source, target):
    """Attaches what is mounted at `source` and below at `target` as well: read-only, nosuid, nodev, all of it."""
    flags = _OPEN_TREE_CLONE | _OPEN_TREE_CLOEXEC | _AT_RECURSIVE
    tree = _checked(_open_tree(_SYS_OPEN_TREE, AT_FDCWD, source, flags), 'open_tree', source)
    # struct mount_attr: set, clear, propagation, userns_fd.
    attr = (ctypes.c_uint64 * 4)(MS_RDONLY | MS_NOSUID | MS_NODEV, 0, 0, 0)
    how = _AT_EMPTY_PATH | _AT_RECURSIVE
    result = _mount_setattr(_SYS_MOUNT_SETATTR, tree, b'', how, ctypes.addressof(attr), ctypes.sizeof(attr))
    _checked(result, 'mount_setattr', source)
    attach(tree, target)
    os.close(tree)


def attach(tree, target):
    """Attaches a detached mount, given as a descriptor, at `target`."""
    result = _move_mount(_SYS_MOVE_MOUNT, tree, b'', AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH)
    _checked(result, 'move_mount', target)


def make_root(path):
    """Makes the mount at `path` the root of this mount namespace; nothing of the old root stays reachable."""
    os.chdir(path)
    # Both arguments '.': the old root ends up stacked on the new one, and is detached from there.
    _checked(_pivot_root(_SYS_PIVOT_ROOT, b'.', b'.'), 'pivot_root', path)
    detach(b'.')
    os.chdir('/')


class _CloneArgs(ctypes.Structure):
    _fields_ = [
        (name, ctypes.c_uint64)
        for name in (
            'flags', 'pidfd', 'child_tid', 'parent_tid', 'exit_signal', 'stack',
            'stack_size', 'tls', 'set_tid', 'set_tid_size', 'cgroup',
        )
    ]  # fmt: skip


def thread_id_address():
    """Where glibc keeps the main thread's id; its own fork updates it in the child, and so must ours."""
    address = ctypes.c_uint64(0)
    if _prctl(PR_GET_TID_ADDRESS, ctypes.addressof(address), 0, 0, 0) < 0:
        return 0  # a kernel without CONFIG_CHECKPOINT_RESTORE; only robust and PI mutexes would notice
    return address.value


class Cloner:
    """Forks with new namespaces in one step.

    clone3 skips glibc's fork handlers, so no other thread may exist: it could hold a lock that the child needs. All
    that can be made once is made here: each object that a fork makes or touches costs every child a page.
    """

    def __init__(self, flags, signal, room=arena.APART):
        """`room`: where its arguments are to be, and what comes back."""
        self._signal = signal
        self._args = room.structure(_CloneArgs)
        self._pid, self._pidfd = (room.structure(ctypes.c_int) for _ in range(2))
        self._args.flags = flags | CLONE_PIDFD | _CLONE_PARENT_SETTID
        self._args.pidfd = ctypes.addressof(self._pidfd)
        self._args.parent_tid = ctypes.addressof(self._pid)
        self._args.exit_signal = signal
        self._args.child_tid = thread_id_address()
        if self._args.child_tid:
            self._args.flags |= _CLONE_CHILD_SETTID | _CLONE_CHILD_CLEARTID

    def set_cgroup(self, fd):
        """From now on children start in the cgroup v2 whose directory is open at `fd`; None for ours."""
        if fd is None:
            self._args.flags &= ~CLONE_INTO_CGROUP
        else:
            self._args.flags |= CLONE_INTO_CGROUP
            self._args.cgroup = fd

    def set_parent(self, is_ours):
        """Whether children from now on are our own, or those of our parent, which reaps them, and is told of their ends as of ours."""
        flags = self._args.flags & ~CLONE_PARENT
        self._args.flags = flags if is_ours else flags | CLONE_PARENT
        self._args.exit_signal = self._signal if is_ours else 0

    @property
    def arguments(self):
        """Those of clone3."""
        return ctypes.addressof(self._args), ctypes.sizeof(self._args)

    def fork(self):
        """(0, -1) in the child, (pid, pidfd) in the parent."""
        before_fork()
        pid = _clone3(_SYS_CLONE3, *self.arguments)
        if pid == 0:
            after_fork_in_child()
            return 0, -1
        after_fork_in_parent()
        _checked(pid, 'clone3', hex(self._args.flags))
        return self.child

    @property
    def child(self):
        """Pid and pidfd of the last child."""
        return self._pid.value, self._pidfd.value
