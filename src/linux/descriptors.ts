import { closeSync, openSync } from 'node:fs';
import { check, libc } from './libc.ts';

const F_DUPFD_CLOEXEC = 1030;
const fcntlC = libc('int fcntl(int, int, int)');

/** Another descriptor for the same open file. The caller closes it. */
export function duplicate(fd: number): number {
  return check(fcntlC(fd, F_DUPFD_CLOEXEC, 0), 'fcntl F_DUPFD_CLOEXEC', `descriptor ${fd}`);
}

/** Throws EMFILE or ENFILE where so many can't be opened now. */
export function requireDescriptors(count: number): void {
  const opened: number[] = [];
  try {
    while (opened.length < count) opened.push(openSync('/dev/null', 'r'));
  } finally {
    for (const fd of opened) closeSync(fd);
  }
}
