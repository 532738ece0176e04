"""From a forked child to a package zygote: an interpreter that has imported what functions want.

Packages are foreign code, and this process runs them. So it is nobody on the machine: root in a user namespace of its own,
with host uids of its own, in a cgroup with bounds, without a network. It keeps what it takes to make sandboxes: namespaces,
mounts and ids of its own. Whatever a package does with that, it does to sandboxes of functions that asked for the package.
"""

import json
import os
import resource
import struct
import sys

import _socket

import control
import fresh
import imports
import interfaces
import kernel
import plan

# Where our descriptors are, beyond the control socket and the event stream: only until we import.
_HOME_FD = 5
_MAPPED_FD = 6
_PLACES = (control.CONTROL_FD, control.EVENTS_FD, _HOME_FD, _MAPPED_FD)
# Out of the way of these.
_ASIDE = 256

_HOME = b'/host'
_TMP = b'/tmp'
_WANTED = '/host/imports.json'

_NO_SUID = kernel.MS_NOSUID | kernel.MS_NODEV

# CAP_SETGID and CAP_SETUID to map the ids of sandboxes, CAP_NET_ADMIN for their loopback, CAP_SYS_ADMIN for namespaces.
_KEPT_CAPABILITIES = sum(1 << capability for capability in (6, 7, 12, 21))


class Blueprint:
    """What is the same in every package zygote, ready to be carried out."""

    def __init__(self, settings, seccomp):
        self.settle = plan_to_settle(settings)
        self.renounce = plan_to_renounce(settings, seccomp)
        self.leave = plan_to_leave()


def plan_to_settle(settings):
    steps = plan.Plan()
    steps.step('ids')
    steps.call('setgroups', 0, None)
    steps.call('setresgid', 0, 0, 0)
    steps.call('setresuid', 0, 0, 0)
    # Else /proc/<pid> of our children would be root's, and the maps of their ids not for us to write.
    steps.call('prctl', kernel.PR_SET_DUMPABLE, 1, about='PR_SET_DUMPABLE')
    steps.step('mounts')
    tmp = f'size={settings["tmp_max_mb"]}m,nr_inodes=16384,mode=1777'
    steps.call('mount', b'tmp', _TMP, b'tmpfs', _NO_SUID, tmp.encode(), about=_TMP)
    steps.attach(_HOME_FD, _HOME)
    steps.step('output')
    steps.call('close', _HOME_FD)
    steps.redirect(b'/host/stdout', 1, _HOME_FD)
    steps.redirect(b'/host/stderr', 2, _HOME_FD)
    return steps.ready()


def plan_to_renounce(settings, seccomp):
    steps = plan.Plan()
    steps.step('bounds')
    steps.limit(resource.RLIMIT_CORE, 0)
    steps.limit(resource.RLIMIT_FSIZE, settings['file_max_mb'] * 1024 * 1024)
    steps.drop_bounding_set(_KEPT_CAPABILITIES)
    kept = _KEPT_CAPABILITIES
    # Effective, permitted and inheritable, the low half of each; then the high halves.
    steps.call('capset', struct.pack('Ii', kernel.CAPABILITY_VERSION_3, 0), struct.pack('6I', kept, kept, 0, 0, 0, 0))
    steps.call('prctl', kernel.PR_SET_NO_NEW_PRIVS, 1, about='PR_SET_NO_NEW_PRIVS')
    steps.load_filter(seccomp)
    return steps.ready()


def plan_to_leave():
    """The mounts that were for importing go: what is forked from here starts from the root that all have."""
    steps = plan.Plan()
    steps.step('leave')
    for target in (_TMP, _HOME):
        steps.call('umount2', target, kernel.MNT_DETACH, about=target)
    return steps.ready()


def become(blueprint, fds, cgroup_files):
    """Makes this process a package zygote. `blueprint` is that of sandboxes, with ours in it. `fds`: control socket, event
    stream, home, and what tells when our ids are mapped. Returns the control socket, and what `import_all` does."""
    for file in cgroup_files:
        os.write(file, b'0')
    take_places(fds)
    control.hear_no_ends()
    if not os.read(_MAPPED_FD, 1):
        os._exit(1)  # our parent has told why
    os.close(_MAPPED_FD)
    if not blueprint.is_network_shared:
        interfaces.loopback_up()
    blueprint.zygote.settle.run()
    wanted = read_wanted()
    blueprint.zygote.renounce.run()
    took, tasks, loaded = imports.import_all(wanted)
    fresh.make_fresh()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()  # else every fork would write it again
    blueprint.zygote.leave.run()
    imports.settle()
    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET, 0, control.CONTROL_FD)
    return connection, took, tasks, loaded


def take_places(fds):
    """Nothing else of the zygote that we were forked from stays open, but what we share with everybody: stdin."""
    for index, fd in enumerate(fds):
        os.dup2(fd, _ASIDE + index)
    for index, place in enumerate(_PLACES):
        os.dup2(_ASIDE + index, place, inheritable=False)
    kernel.close_from(_PLACES[-1] + 1)


def read_wanted():
    with open(_WANTED, 'rb', buffering=0) as file:
        return json.loads(file.read())
