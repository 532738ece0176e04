import { check, errnoName, libc } from './libc.ts';

// fcntl is variadic in C. Where this runs (x86-64 and arm64 Linux) a third argument is passed alike either way.
const fcntl: (fd: number, command: number, argument: number) => number = libc(
  'int fcntl(int fd, int command, long argument)',
);

const F_SETSIG = 10;
const F_SETLEASE = 1024;
const F_RDLCK = 0;
const F_UNLCK = 2;
/** Ignored by default. A broken lease is told by SIGIO otherwise, and that ends a process that does not expect it. */
const SIGURG = 23;

/** Answers that mean that this file system, or this process without CAP_LEASE, has no leases to give. */
const NO_LEASES = new Set(['EINVAL', 'ENOLCK', 'EACCES', 'EPERM', 'ENOSYS', 'EOPNOTSUPP']);

export type Writers = 'none' | 'some' | 'unknown';

/**
 * Whether any process has the file open for writing, or mapped so. `fd` is open for reading only; `target` is for the
 * message of ERR_SYSCALL. 'unknown' where the file system does not tell.
 *
 * The kernel grants a read lease only where there is no writer. It is given back at once: a writer that comes in
 * between waits for these few microseconds (one that opens with O_NONBLOCK is told to try again).
 */
export function writersOf(fd: number, target: string): Writers {
  check(fcntl(fd, F_SETSIG, SIGURG), 'fcntl(F_SETSIG)', target);
  if (fcntl(fd, F_SETLEASE, F_RDLCK) < 0) return whyNoLease(target);
  check(fcntl(fd, F_SETLEASE, F_UNLCK), 'fcntl(F_SETLEASE)', target);
  return 'none';
}

function whyNoLease(target: string): Writers {
  const errno = errnoName();
  if (errno === 'EAGAIN') return 'some';
  if (NO_LEASES.has(errno)) return 'unknown';
  check(-1, 'fcntl(F_SETLEASE)', target);
  return 'unknown';
}
