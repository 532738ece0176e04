import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { basename } from 'node:path';
import { expect, test } from 'vitest';
import {
  identify,
  isAlive,
  processArgs,
  processName,
  signal,
  startTicks,
  waitGone,
} from '../../../src/cluster/process.ts';

/** Above the kernel's highest process id. */
const NO_PID = 2 ** 22 + 1;

test('this process is alive, and by another start time it is not', () => {
  const ticks = startTicks(process.pid) ?? Number.NaN;
  expect(isAlive(process.pid, ticks)).toBe(true);
  expect(isAlive(process.pid, ticks + 1)).toBe(false);
});

test('there is nothing to say about a process that is not there', () => {
  expect(identify(NO_PID)).toBe(null);
  expect(processName(NO_PID)).toBe(null);
  expect(processArgs(NO_PID)).toBe(null);
  expect(signal({ pid: NO_PID, startTicks: 1 }, 'SIGTERM')).toBe(false);
});

test('a program name with spaces and parentheses does not hide the start time', async () => {
  const script =
    "import time; open('/proc/self/comm', 'w').write('a) S 1 (b'); print(1, flush=True); time.sleep(60)";
  const child = spawn('/usr/bin/python3', ['-c', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  const pid = child.pid ?? 0;
  const own = startTicks(process.pid) ?? Number.NaN;
  expect(processName(pid)).toBe('a) S 1 (b');
  expect(startTicks(pid)).toBeGreaterThanOrEqual(own);
  child.kill();
  await once(child, 'exit');
});

test('a signal reaches a process, and waiting ends when it is gone', async () => {
  const child = spawn('sleep', ['60']);
  await once(child, 'spawn');
  const id = identify(child.pid ?? 0);
  if (id === null) throw new Error('sleep has no start time');
  expect(await waitGone([id], 30)).toEqual([id]);
  expect(signal({ ...id, startTicks: id.startTicks + 1 }, 'SIGTERM')).toBe(false);
  expect(signal(id, 'SIGTERM')).toBe(true);
  expect(await waitGone([id], 10_000)).toEqual([]);
});

test('a program of Node is called as it was started, not as its thread', () => {
  expect(processName(process.pid)).toBe(basename(process.argv0));
});

test('a zombie counts as gone', async () => {
  // The parent never reaps its child.
  const script =
    "import subprocess,time; p=subprocess.Popen(['true']); print(p.pid, flush=True); time.sleep(60)";
  const parent = spawn('/usr/bin/python3', ['-c', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [line] = await once(parent.stdout, 'data');
  const pid = Number(String(line));
  await expect.poll(() => startTicks(pid)).toBe(null);
  expect(processName(pid)).not.toBe(null);
  parent.kill();
  await once(parent, 'exit');
});
