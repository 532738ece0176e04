import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { afterEach, expect, test } from 'vitest';
import { scheduleAsUsual, scheduleSandbox, scheduleWorker } from '../../../src/linux/scheduling.ts';

afterEach(scheduleAsUsual);

/** What the kernel says of a process: its policy, its priority, and its slice in ns; null where it does not tell slices. */
function scheduling(pid: number | 'self') {
  const text = readFileSync(`/proc/${pid}/sched`, 'utf8');
  const number = (name: string) => {
    const value = new RegExp(`^${name} +: +(\\d+)$`, 'm').exec(text)?.[1];
    return value === undefined ? null : Number(value);
  };
  return { policy: number('policy'), prio: number('prio'), slice: number('se.slice') };
}

test('the worker has a shorter slice than a sandbox, a sandbox than others, at the same priority', async ({
  skip,
}) => {
  const usual = scheduling('self');
  if (usual.slice === null) skip('the kernel does not tell slices: it is older than 6.12');
  const child = spawn('/bin/sleep', ['60']);
  scheduleWorker();
  expect(scheduleSandbox(child.pid ?? 0)).toBe(true);
  const [worker, sandbox] = [scheduling('self'), scheduling(child.pid ?? 0)];
  child.kill('SIGKILL');
  await once(child, 'exit');
  expect([worker, sandbox]).toMatchObject([
    { policy: 0, prio: usual.prio },
    { policy: 0, prio: usual.prio },
  ]);
  expect(worker.slice).toBeLessThan(sandbox.slice ?? 0);
  expect(sandbox.slice).toBeLessThan(usual.slice ?? 0);
  expect(scheduleSandbox(child.pid ?? 0)).toBe(false);
  scheduleAsUsual();
  expect(scheduling('self')).toEqual(usual);
});

test('all threads of the worker are scheduled so, those of V8 and of libuv too', async ({ skip }) => {
  const slices = () => readdirSync('/proc/self/task').map((thread) => scheduling(Number(thread)).slice);
  if (slices().includes(null)) skip('the kernel does not tell slices: it is older than 6.12');
  expect(slices().length).toBeGreaterThan(4);
  scheduleWorker();
  expect(new Set(slices()).size).toBe(1);
});
