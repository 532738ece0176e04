import fcntl
import os
import resource
import signal
import struct

import tries

PTRACE_ATTACH, PTRACE_SEIZE = 16, 0x4206


def own_signals(pid):
    """The kernel sends a signal to whoever owns a file, when there is something to read."""
    read_end, _write_end = os.pipe()
    return fcntl.fcntl(read_end, fcntl.F_SETOWN, pid)


def queue_signal(number, pid):
    """As `sigqueue` does: what is sent says that a process has sent it (SI_QUEUE)."""
    return tries.call(number, pid, 9, struct.pack('iii', 9, 0, -1).ljust(128, b'\0'))


def handler(event):
    """Processes of the machine and of another sandbox, by the numbers that they have there."""
    number, report = event['numbers'], {}
    for pid in event['pids']:
        report |= {
            f'{what} {pid}': tries.outcome(action)
            for what, action in {
                'kill': lambda pid=pid: os.kill(pid, signal.SIGKILL),
                'kill the group of': lambda pid=pid: os.killpg(pid, signal.SIGKILL),
                'tgkill': lambda pid=pid: tries.call(number['tgkill'], pid, pid, 9),
                'queue a signal for': lambda pid=pid: queue_signal(number['rt_sigqueueinfo'], pid),
                'pidfd_open': lambda pid=pid: os.pidfd_open(pid),
                'F_SETOWN': lambda pid=pid: own_signals(pid),
                'attach to': lambda pid=pid: tries.checked(tries.libc.ptrace(PTRACE_ATTACH, pid, 0, 0)),
                'seize': lambda pid=pid: tries.checked(tries.libc.ptrace(PTRACE_SEIZE, pid, 0, 0)),
                'read the memory of': lambda pid=pid: tries.call(number['process_vm_readv'], pid, 0, 0, 0, 0, 0),
                'write to the memory of': lambda pid=pid: tries.call(number['process_vm_writev'], pid, 0, 0, 0, 0, 0),
                'compare with': lambda pid=pid: tries.call(number['kcmp'], os.getpid(), pid, 0, 0, 0),
                'limit': lambda pid=pid: resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, 3)),
                'slow down': lambda pid=pid: os.setpriority(os.PRIO_PROCESS, pid, 19),
                'schedule': lambda pid=pid: os.sched_setscheduler(pid, os.SCHED_IDLE, os.sched_param(0)),
                'move': lambda pid=pid: os.sched_setaffinity(pid, {0}),
                'memory file of': lambda pid=pid: tries.read(f'/proc/{pid}/mem'),
            }.items()
        }
    # All that it may send one to, itself left out.
    return {**report, 'kill all': tries.outcome(lambda: os.kill(-1, signal.SIGKILL))}
