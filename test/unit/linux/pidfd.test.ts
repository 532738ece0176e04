import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync } from 'node:fs';
import { expect, test, vi } from 'vitest';
import { check, libc } from '../../../src/linux/libc.ts';
import { isEnded, pidOf, signalPidfd } from '../../../src/linux/pidfd.ts';
import { signalName } from '../../../src/linux/signals.ts';
import { startUnreaped } from '../../helpers/unreaped.ts';

const SYS_PIDFD_OPEN = 434;
const pidfdOpen = libc('long syscall(long, int, uint32_t)');

test('a process is known by its descriptor, and can be ended by it; afterwards it has no pid', async () => {
  const child = spawn('/bin/sleep', ['1000']);
  const exit = once(child, 'exit');
  const pidfd = check(pidfdOpen(SYS_PIDFD_OPEN, child.pid ?? 0, 0), 'pidfd_open', 'sleep');
  expect(pidOf(pidfd)).toBe(child.pid);
  expect(signalPidfd(pidfd, 15)).toBe(true);
  expect(await exit).toEqual([null, 'SIGTERM']);
  expect(pidOf(pidfd)).toBeNull();
  expect(signalPidfd(pidfd, 9)).toBe(false);
  closeSync(pidfd);
});

test('a process that has ended is known to have, before anybody has reaped it', async () => {
  const { pid, parent } = await startUnreaped();
  const pidfd = check(pidfdOpen(SYS_PIDFD_OPEN, pid, 0), 'pidfd_open', 'sleep');
  expect(isEnded(pidfd)).toBe(false);
  signalPidfd(pidfd, 9);
  await vi.waitFor(() => expect(isEnded(pidfd)).toBe(true), { timeout: 30_000 });
  expect(signalPidfd(pidfd, 0)).toBe(true); // it is there, and waits to be reaped
  closeSync(pidfd);
  const exit = once(parent, 'exit');
  parent.kill();
  await exit;
});

test('a signal for what is no process is an error', () => {
  expect(() => signalPidfd(0, 9)).toThrow(/^pidfd_send_signal failed with E/);
});

test('signals have their names, and unknown ones their number', () => {
  expect([signalName(9), signalName(11), signalName(15), signalName(64)]).toEqual([
    'SIGKILL',
    'SIGSEGV',
    'SIGTERM',
    'signal 64',
  ]);
});
