import { check, libc } from './libc.ts';

const F_DUPFD_CLOEXEC = 1030;
const fcntlC = libc('int fcntl(int, int, int)');

/** Another descriptor for the same open file. The caller closes it. */
export function duplicate(fd: number): number {
  return check(fcntlC(fd, F_DUPFD_CLOEXEC, 0), 'fcntl F_DUPFD_CLOEXEC', `descriptor ${fd}`);
}
