import { readFileSync } from 'node:fs';
import { check, errnoName, libc } from './libc.ts';

/** Processes by descriptor: unlike a pid, a pidfd never comes to mean another process. */
const SYS_PIDFD_SEND_SIGNAL = 424;

const POLLIN = 1;

const pollC = libc('int poll(void *, unsigned long, int)');
const pidfdSendSignalC = libc('long syscall(long, int, int, void *, uint32_t)');

/** Sends a signal; returns false where the process is gone already. */
export function signalPidfd(pidfd: number, signal: number): boolean {
  const result = pidfdSendSignalC(SYS_PIDFD_SEND_SIGNAL, pidfd, signal, null, 0);
  if (result < 0 && errnoName() === 'ESRCH') return false;
  check(result, 'pidfd_send_signal', `pidfd ${pidfd}`);
  return true;
}

/** True where the process has ended; a pidfd is readable then. */
export function isEnded(pidfd: number): boolean {
  // struct pollfd: int fd; short events, revents.
  const poll = Buffer.alloc(8);
  poll.writeInt32LE(pidfd, 0);
  poll.writeInt16LE(POLLIN, 4);
  return check(pollC(poll, 1, 0), 'poll', `pidfd ${pidfd}`) > 0;
}

/** The process's pid as this process sees it, or null where it is gone. */
export function pidOf(pidfd: number): number | null {
  return pidsOf(pidfd)[0] ?? null;
}

/** The process's pids: as this process sees it, and then in each pid namespace further in. None where it is gone. */
export function pidsOf(pidfd: number): number[] {
  const match = /^NSpid:\s*(.*)$/m.exec(readFileSync(`/proc/self/fdinfo/${pidfd}`, 'utf8'));
  return (match?.[1] ?? '')
    .split('\t')
    .map(Number)
    .filter((pid) => pid > 0);
}
