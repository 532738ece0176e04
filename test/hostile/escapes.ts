import { readFileSync, realpathSync, statSync } from 'node:fs';
import { FORBIDDEN_CALLS, NUMBERS } from './forbidden-calls.ts';
import { openServices } from './services.ts';
import { shareMemory } from './shared-memory.ts';
import type { Stage } from './stage.ts';

/** What a program is told, for as long as that is true. */
export interface Prepared extends AsyncDisposable {
  readonly event: unknown;
}

export interface Escape {
  readonly title: string;
  /** Of `programs/escapes/`. */
  readonly program: string;
  readonly event?: (stage: Stage) => Promise<Prepared>;
  /** The only ways in which what it tries may fail. */
  readonly refused: readonly string[];
  /** What does not fail, or in another way, by how its name begins: with what comes of it. */
  readonly got?: Readonly<Record<string, RegExp>>;
  /** What of the machine has to be the same afterwards. */
  readonly untouched?: () => unknown;
}

const INTERPRETER = realpathSync('/usr/bin/python3');

function interpreter() {
  const { mode, mtimeMs, ctimeMs, size, ino } = statSync(INTERPRETER);
  return { mode, mtimeMs, ctimeMs, size, ino };
}

const corePattern = () => readFileSync('/proc/sys/kernel/core_pattern', 'utf8');

async function tell(event: unknown): Promise<Prepared> {
  return { event, [Symbol.asyncDispose]: async () => {} };
}

const canaries = ({ canary }: Stage) => [...canary.files, '/etc/shadow'];

/** The worker, its parts, the victim's sandbox and this process, by the numbers that they have on the machine. */
function pids({ worker }: Stage): number[] {
  return [...worker.tree().map(({ pid }) => pid), process.pid];
}

const LINK = /^ENOENT$|^EACCES$|^ENOTDIR$/;

export const ESCAPES: readonly Escape[] = [
  {
    title: 'chroot and fchdir',
    program: 'chroot_fchdir',
    event: (stage) => tell({ canaries: canaries(stage) }),
    refused: ['EPERM'],
    got: { 'still at the root': /^got True$/, 'read ': /^ENOENT$/ },
  },
  {
    title: '/proc/1/root',
    program: 'proc_root',
    event: (stage) => tell({ canaries: canaries(stage), pids: pids(stage) }),
    refused: ['ENOENT', 'ENOTDIR'],
  },
  {
    title: 'a scan of inherited descriptors and memory',
    program: 'descriptors',
    event: (stage) => tell({ canaries: canaries(stage) }),
    refused: ['ENOTDIR', 'EAGAIN', 'EINVAL'],
    got: {
      all: /^0=\/dev\/null 1=\/host\/stdout 2=\/host\/stderr 3=socket 4=socket$/,
      secrets: /^got \[\]$/,
      'the scan': /^got True$/,
      // Whoever is outside of the pid namespace has no number in it.
      'peer of': /^got 0$/,
    },
  },
  {
    title: 'writing to /proc/self/exe',
    program: 'proc_self_exe',
    refused: ['EROFS', 'EACCES', 'EXDEV', 'ELOOP', 'ETXTBSY'],
    untouched: interpreter,
  },
  {
    title: 'core_pattern',
    program: 'core_pattern',
    refused: ['EROFS', 'EACCES', 'ENOENT'],
    got: { 'a lower score': /^EACCES$/, dumped: /^got False$/ },
    untouched: corePattern,
  },
  {
    title: 'sysrq-trigger',
    program: 'sysrq_trigger',
    refused: ['EROFS', 'EACCES', 'ENOENT'],
    got: { 'change its mode': /^EROFS$|^EPERM$|^ENOENT$/ },
  },
  { title: 'mounting', program: 'mounts', event: () => tell({ numbers: NUMBERS }), refused: ['EPERM'] },
  {
    title: 'a new user namespace',
    program: 'user_namespace',
    event: () => tell({ numbers: NUMBERS }),
    refused: ['EPERM'],
    got: { clone3: /^ENOSYS$/, 'by a program': /^got \(True, b''\)$|^ENOENT$/ },
  },
  {
    title: 'setns',
    program: 'setns',
    event: (stage) => tell({ pids: pids(stage) }),
    refused: ['EPERM'],
    got: { '/proc/self/ns/': /^EPERM$|^ENOENT$/, '/proc/': /^ENOENT$/, 'that of': /^ESRCH$/ },
  },
  {
    title: 'ptrace and signals to another tenant',
    program: 'other_tenants',
    event: (stage) => tell({ pids: pids(stage), numbers: NUMBERS }),
    refused: ['ESRCH'],
    got: {
      attach: /^EPERM$/,
      seize: /^EPERM$/,
      'read the memory': /^EPERM$/,
      'write to the memory': /^EPERM$/,
      compare: /^EPERM$/,
      'memory file': LINK,
    },
  },
  {
    title: 'mknod of a disk',
    program: 'disks',
    refused: ['EPERM', 'EROFS'],
  },
  {
    title: 'a setuid program',
    program: 'setuid_program',
    refused: ['EPERM', 'EINVAL'],
    got: {
      'a copy of our own': /^got '\(1000, 1000, 1000\) \(1000, 1000, 1000\)'$/,
      'status of': /^got \['CapEff: 0{16}', 'Uid: 1000 1000 1000 1000'\]$/,
    },
  },
  {
    title: 'bpf, keyctl, io_uring, userfaultfd, perf_event_open and the like',
    program: 'forbidden_calls',
    event: () => tell({ numbers: NUMBERS, names: FORBIDDEN_CALLS }),
    refused: ['EPERM', 'ENOSYS'],
  },
  {
    title: 'memory, semaphores and queues of System V and POSIX that others have',
    program: 'shared_memory',
    event: shareMemory,
    refused: ['ENOSYS'],
    got: { mount: /^EPERM$/, 'the list': /^got False$/ },
  },
  {
    title: 'TIOCSTI',
    program: 'terminal',
    refused: ['EPERM', 'ENOTTY', 'ENOENT', 'ENXIO'],
    got: { TIOCSTI: /^EPERM$/, TIOCLINUX: /^EPERM$/ },
  },
  {
    title: 'raw sockets',
    program: 'raw_sockets',
    refused: ['EPERM', 'EAFNOSUPPORT'],
  },
  {
    title: 'connections to the worker, to metadata, to another sandbox',
    program: 'connections',
    event: openServices,
    // Whether there is no way or it is closed depends on the network that sandboxes have.
    refused: [
      'ECONNREFUSED',
      'ENETUNREACH',
      'EHOSTUNREACH',
      'EADDRNOTAVAIL',
      'EACCES',
      'EPERM',
      'ETIMEDOUT',
      'TimeoutError',
      'gaierror',
      'ENOENT',
    ],
  },
];
