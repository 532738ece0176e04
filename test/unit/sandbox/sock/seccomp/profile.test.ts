import { describe, expect, it } from 'vitest';
import { ALLOWED_CALLS } from '../../../../../src/sandbox/sock/seccomp/allowed.ts';
import { compileSeccomp, compileZygoteSeccomp } from '../../../../../src/sandbox/sock/seccomp/compile.ts';
import { type Arch, CALL_NUMBERS, words } from '../../../../../src/sandbox/sock/seccomp/numbers.ts';
import { PROFILE } from '../../../../../src/sandbox/sock/seccomp/profile.ts';
import { runFilter } from '../../../../helpers/bpf-interpreter.ts';
import { ALLOW, AUDIT_ARCH, failing } from '../../../../helpers/seccomp-oracle.ts';

const VERDICTS = {
  ALLOW,
  EPERM: failing(1),
  ENODEV: failing(19),
  ENOSYS: failing(38),
  EAFNOSUPPORT: failing(97),
  EOPNOTSUPP: failing(95),
};
const programs = { x64: compileSeccomp('x64'), arm64: compileSeccomp('arm64') };

/** The verdict on a call by name; `null` where the machine has no such call. */
function verdict(arch: Arch, name: string, ...args: number[]): number | null {
  const nr = CALL_NUMBERS[arch].get(name);
  if (nr === undefined) return null;
  return runFilter(programs[arch], { nr, arch: AUDIT_ARCH[arch], args: args.map(BigInt) });
}

const HIGH = 2 ** 32;

/** What a function must not reach, whatever the arguments. */
const DENIED = words(`
  unshare setns mount umount2 open_tree open_tree_attr move_mount fsopen fsconfig fsmount fspick mount_setattr pivot_root
  chroot ptrace process_vm_readv process_vm_writev process_madvise pidfd_getfd kcmp bpf perf_event_open userfaultfd
  io_uring_setup io_uring_enter io_uring_register keyctl add_key request_key kexec_load kexec_file_load init_module
  finit_module delete_module create_module query_module reboot swapon swapoff acct quotactl quotactl_fd nfsservctl
  lookup_dcookie open_by_handle_at name_to_handle_at settimeofday clock_settime clock_adjtime adjtimex sethostname
  setdomainname syslog iopl ioperm vhangup modify_ldt fanotify_init fanotify_mark mbind set_mempolicy
  set_mempolicy_home_node migrate_pages move_pages uselib ustat sysfs _sysctl lsm_set_self_attr cachestat listns`);

/** What processes of one ipc namespace share; the sandboxes of a zygote are in one. */
const SHARED = words(`
  shmget shmat shmctl shmdt semget semop semtimedop semctl msgget msgsnd msgrcv msgctl
  mq_open mq_unlink mq_timedsend mq_timedreceive mq_notify mq_getsetattr`);

/** Call, arguments, verdict: each rule of the profile, on both sides of its border. */
const RULED: readonly (readonly [string, readonly number[], keyof typeof VERDICTS])[] = [
  ['clone3', [], 'ENOSYS'],
  // fork, vfork, and a thread, as glibc makes them.
  ['clone', [0x01200011], 'ALLOW'],
  ['clone', [0x4111], 'ALLOW'],
  ['clone', [0x003d0f00], 'ALLOW'],
  ['clone', [0x80], 'EPERM'],
  ['clone', [0x20011], 'EPERM'],
  ['clone', [0x02000011], 'EPERM'],
  ['clone', [0x04000011], 'EPERM'],
  ['clone', [0x08000011], 'EPERM'],
  ['clone', [0x10000011], 'EPERM'],
  ['clone', [0x20000011], 'EPERM'],
  ['clone', [0x40000011], 'EPERM'],
  ['clone', [HIGH + 0x11], 'EPERM'],
  ['clone', [HIGH * 0x10000000], 'EPERM'],
  ['ioctl', [0, 0x5401], 'ALLOW'],
  ['ioctl', [0, 0x5412], 'EPERM'],
  ['ioctl', [0, 0x541c], 'EPERM'],
  ['ioctl', [0, 0x5423], 'EPERM'],
  ['ioctl', [0, HIGH + 0x5412], 'EPERM'],
  ['ioctl', [0x5412, 0x5413], 'ALLOW'],
  ['ioctl', [0, 0x40305828], 'EPERM'],
  ['ioctl', [0, 0x4030582a], 'EPERM'],
  ['ioctl', [0, 0x40305839], 'EPERM'],
  ['fallocate', [3, 0], 'EOPNOTSUPP'],
  ['fallocate', [3, 1], 'EOPNOTSUPP'],
  ['fallocate', [3, 0x10], 'EOPNOTSUPP'],
  ['fallocate', [3, HIGH + 3], 'ALLOW'],
  ['fallocate', [3, 3], 'ALLOW'],
  ['fallocate', [3, 8], 'ALLOW'],
  ['prctl', [15], 'ALLOW'],
  ['prctl', [22], 'ALLOW'],
  ['prctl', [38], 'ALLOW'],
  ['prctl', [35], 'EPERM'],
  ['prctl', [HIGH + 35], 'EPERM'],
  ['prctl', [62], 'EPERM'],
  ['socket', [1, 1, 0], 'ALLOW'],
  ['socket', [2, 1, 6], 'ALLOW'],
  ['socket', [2, 0x80002, 0], 'ALLOW'],
  ['socket', [10, 2, 17], 'ALLOW'],
  ['socket', [16, 3, 0], 'ALLOW'],
  ['socket', [16, 0x80003, HIGH], 'ALLOW'],
  ['socket', [16, 3, 9], 'EAFNOSUPPORT'],
  ['socket', [2, 10, 0], 'EAFNOSUPPORT'],
  ['socket', [2, 0x8000a, 0], 'EAFNOSUPPORT'],
  ['socket', [HIGH + 2, HIGH + 10, 0], 'EAFNOSUPPORT'],
  ['socket', [0, 1, 0], 'EAFNOSUPPORT'],
  ['socket', [17, 3, 0], 'EAFNOSUPPORT'],
  ['socket', [HIGH + 17, 3, 0], 'EAFNOSUPPORT'],
  ['socket', [38, 5, 0], 'EAFNOSUPPORT'],
  ['socket', [40, 1, 0], 'EAFNOSUPPORT'],
  ['socketpair', [1, 1, 0], 'ALLOW'],
  ['socketpair', [2, 1, 0], 'EAFNOSUPPORT'],
  ['mknodat', [0, 0, 0o644], 'ALLOW'],
  ['mknodat', [0, 0, 0o100644], 'ALLOW'],
  ['mknodat', [0, 0, 0o010644], 'ALLOW'],
  ['mknodat', [0, 0, 0o140644], 'ALLOW'],
  ['setsockopt', [3, 1, 2], 'ALLOW'], // SOL_SOCKET, SO_REUSEADDR
  ['setsockopt', [3, 6, 1], 'ALLOW'], // TCP_NODELAY
  ['setsockopt', [3, 6, 35], 'ALLOW'],
  ['setsockopt', [3, 0, 2], 'ALLOW'], // IP_TTL
  ['setsockopt', [3, 41, 26], 'ALLOW'], // IPV6_V6ONLY
  ['setsockopt', [3, 0, 35], 'ENODEV'],
  ['setsockopt', [3, HIGH, HIGH + 35], 'ENODEV'],
  ['setsockopt', [3, 0, 39], 'ENODEV'],
  ['setsockopt', [3, 0, 42], 'ENODEV'],
  ['setsockopt', [3, 0, 46], 'ENODEV'],
  ['setsockopt', [3, 41, 20], 'ENODEV'],
  ['setsockopt', [3, 41, 27], 'ENODEV'],
  ['setsockopt', [3, 41, 42], 'ENODEV'],
  ['setsockopt', [3, 41, 46], 'ENODEV'],
  ['ioctl', [0, 0x40087602], 'EPERM'],
  ['ioctl', [0, 0x40086604], 'EPERM'],
  ['mknodat', [0, 0, 0o020644], 'EPERM'],
  ['mknodat', [0, 0, 0o060644], 'EPERM'],
  ['mknodat', [0, 0, HIGH + 0o020644], 'EPERM'],
  ['personality', [0], 'ALLOW'],
  ['personality', [0xffffffff], 'ALLOW'],
  ['personality', [0x8], 'ALLOW'],
  ['personality', [0x20000], 'ALLOW'],
  ['personality', [0x20008], 'ALLOW'],
  ['personality', [0x40000], 'EPERM'],
  ['personality', [0x400000], 'EPERM'],
];

describe.each(['x64', 'arm64'] as const)('the profile on %s', (arch) => {
  const others = (names: Iterable<string>, expected: number) =>
    [...names].filter((name) => ![expected, null].includes(verdict(arch, name)));

  it('denies what a function must not reach', () => {
    expect(others(DENIED, VERDICTS.EPERM)).toEqual([]);
  });

  it('answers as a kernel without them for what all of an ipc namespace share, in zygotes too', () => {
    expect(others(SHARED, VERDICTS.ENOSYS)).toEqual([]);
    for (const name of SHARED) {
      const nr = CALL_NUMBERS[arch].get(name) ?? -1;
      const zygotes = runFilter(compileZygoteSeccomp(arch), { nr, arch: AUDIT_ARCH[arch] });
      expect([name, zygotes]).toEqual([name, VERDICTS.ENOSYS]);
    }
  });

  it('allows what its lists name', () => {
    expect(others(PROFILE.allowed, VERDICTS.ALLOW)).toEqual([]);
  });

  it.each(RULED)('answers %s %j with %s', (name, args, expected) => {
    expect(verdict(arch, name, ...args)).toBe(VERDICTS[expected]);
  });
});

describe('the profile', () => {
  it('looks at the mode of mknod where the machine has it', () => {
    expect(verdict('x64', 'mknod', 0, 0o010644)).toBe(VERDICTS.ALLOW);
    expect(verdict('x64', 'mknod', 0, 0o020644)).toBe(VERDICTS.EPERM);
    expect(verdict('arm64', 'mknod', 0, 0o010644)).toBe(null);
  });

  it('names only calls that a machine has', () => {
    const known = new Set(Object.values(CALL_NUMBERS).flatMap((numbers) => [...numbers.keys()]));
    const named = [...PROFILE.allowed, ...PROFILE.rules.keys(), ...PROFILE.absent, ...DENIED];
    expect(named.filter((name) => !known.has(name))).toEqual([]);
  });

  it('names each call once', () => {
    const listed = Object.values(ALLOWED_CALLS).flatMap(words);
    const named = [...listed, ...PROFILE.rules.keys(), ...PROFILE.absent];
    expect(named.filter((name, index) => named.indexOf(name) !== index)).toEqual([]);
  });
});
