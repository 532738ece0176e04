import { readFileSync } from 'node:fs';
import { release } from 'node:os';
import { OlError } from '../errors.ts';
import { errnoName, libc } from './libc.ts';

/** A system call that sandboxes need, and the Linux version that brought it. Same numbers on x86-64 and arm64. */
const CALLS = [
  { name: 'open_tree', number: 428, since: '5.2' },
  { name: 'move_mount', number: 429, since: '5.2' },
  { name: 'clone3', number: 435, since: '5.3' },
  { name: 'close_range', number: 436, since: '5.9' },
  { name: 'mount_setattr', number: 442, since: '5.12' },
] as const;

/** Namespaces of the kernel's build, by their file in /proc/self/ns. */
const NAMESPACES = ['user', 'pid', 'mnt', 'ipc', 'uts', 'net'] as const;

const syscallC = libc('long syscall(long, long, long, long, long, long)');

/**
 * Throws ERR_KERNEL where this kernel lacks what sandboxes need, with the feature's name and the version that has it.
 * Each call is made with arguments that cannot succeed: a kernel that has it complains about those.
 */
export function checkKernel(): void {
  for (const { name, number, since } of CALLS) {
    const result = syscallC(number, -1, 0, 0, -1, 0);
    if (result < 0 && errnoName() === 'ENOSYS') throw missing(`the system call ${name} is not there`, since);
  }
  for (const name of NAMESPACES) {
    if (!isReadable(`/proc/self/ns/${name}`)) throw missing(`it has no ${name} namespaces`, '3.8');
  }
  if (readNumber('/proc/sys/user/max_user_namespaces') === 0) {
    throw kernelError('user namespaces are turned off: set the sysctl user.max_user_namespaces to 10000');
  }
  if (!isReadable('/proc/sys/kernel/seccomp/actions_avail'))
    throw missing('it has no seccomp filters', '4.14');
}

function missing(what: string, since: string): OlError<'ERR_KERNEL'> {
  return kernelError(`${what}; it is there since Linux ${since}, so use a newer kernel`);
}

function kernelError(reason: string): OlError<'ERR_KERNEL'> {
  return new OlError('ERR_KERNEL', { release: release(), reason });
}

function isReadable(path: string): boolean {
  return readIfThere(path) !== null;
}

function readNumber(path: string): number | null {
  const text = readIfThere(path);
  return text === null ? null : Number(text);
}

function readIfThere(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return null;
    if (code === 'EINVAL') return ''; // a namespace file is there, and is no text
    throw error;
  }
}
