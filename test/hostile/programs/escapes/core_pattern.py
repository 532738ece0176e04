import os

import tries

SETTINGS = [
    'sys/kernel/core_pattern', 'sys/kernel/modprobe', 'sys/kernel/hotplug', 'sys/kernel/hostname', 'sys/kernel/sysrq',
    'sys/kernel/randomize_va_space', 'sys/fs/binfmt_misc/register', 'sys/fs/suid_dumpable', 'sys/fs/protected_symlinks',
    'sys/vm/overcommit_memory', 'sys/vm/drop_caches', 'sys/net/ipv4/ip_forward', 'sys/user/max_user_namespaces',
    'irq/default_smp_affinity',
]  # fmt: skip


def lower_score():
    with open('/proc/self/oom_score_adj', 'w') as file:
        file.write('-1000')


def dump_core():
    pid = os.fork()
    if pid == 0:
        os.abort()
    return os.WCOREDUMP(os.waitpid(pid, 0)[1])


def handler(event):
    """What the kernel runs as root on the machine, or is set up by; then a crash, for which it would run it."""
    report = {name: tries.outcome(lambda name=name: tries.open_to_write(f'/proc/{name}')) for name in SETTINGS}
    for path in ('/sys/kernel/uevent_helper', '/sys/fs/cgroup/release_agent', '/sys/fs/cgroup'):
        report[path] = tries.outcome(lambda path=path: tries.open_to_write(path))
    return {**report, 'a lower score': tries.outcome(lower_score), 'dumped': tries.outcome(dump_core)}
