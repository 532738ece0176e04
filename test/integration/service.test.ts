import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, onTestFinished, test } from 'vitest';
import { leavesNothing } from '../helpers/leftovers.ts';
import { until } from '../helpers/poll.ts';
import { CLI, run, usePlace } from './run-admin.ts';

leavesNothing();
const place = usePlace();

const RECEIVER = join(import.meta.dirname, '../fixtures/datagrams.py');

/** What is sent to a socket that plays a service manager's. */
async function listenAt(socket: string): Promise<string[]> {
  const child = spawn('/usr/bin/python3', [RECEIVER, socket], { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(async () => {
    const exit = once(child, 'exit');
    child.kill();
    await exit;
  });
  const messages: string[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => messages.push(JSON.parse(line)));
  await until('the receiver', () => messages.length > 0);
  messages.shift();
  return messages;
}

/** Runs worker 0 of the cluster in the foreground, as a service manager does. */
function startService(env: Record<string, string>) {
  const child = spawn(
    process.execPath,
    [CLI, 'worker-exec', `--config=${place.path('c/config/worker-0.json')}`],
    {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'ignore', 'inherit'],
    },
  );
  const exit = once(child, 'exit');
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await exit;
  });
  return { child, exit };
}

test('`unit` writes the config files and prints a unit that systemd understands', async ({ skip }) => {
  await place.admin('new', '--cluster=c');
  const { status, stdout, stderr } = await place.admin('unit', '--cluster=c', '--num-workers=2', '--port=0');
  expect(status).toBe(2);
  expect(stderr).toContain('from 1 to 65535');
  const unit = await place.admin('unit', '--cluster=c', '--num-workers=2', '--port=9100');
  expect(unit).toMatchObject({ status: 0, stderr: expect.stringContaining('openlambda@0 openlambda@1') });
  expect(JSON.parse(place.read('c/config/worker-1.json'))).toMatchObject({ worker_port: '9101' });
  expect(stdout).toBe('');
  if (!existsSync('/usr/bin/systemd-analyze')) skip('systemd-analyze is not installed');
  mkdirSync(place.path('units'));
  const file = place.path('units', 'openlambda@.service');
  writeFileSync(file, unit.stdout);
  const verified = await run('/usr/bin/systemd-analyze', ['verify', '--man=no', file], place.dir);
  expect(verified).toMatchObject({ status: 0, stderr: '' });
});

test.each([
  ['a socket file', () => place.path('notify')],
  ['an abstract socket', () => '@openlambda-test-notify'],
])('a service manager at %s hears when the worker serves, that it lives, and that it ends', async (_, path) => {
  await place.admin('unit', '--cluster=c', '--port=9117');
  const messages = await listenAt(path());
  const { child, exit } = startService({
    NOTIFY_SOCKET: path(),
    WATCHDOG_USEC: '200000',
  });
  await until('ready', () => messages.length > 0);
  expect(messages[0]).toBe('READY=1\nSTATUS=serves at http://localhost:9117');
  expect(await (await fetch('http://localhost:9117/status')).text()).toBe('ready\n');
  await until('three signs of life', () => messages.filter((text) => text === 'WATCHDOG=1').length >= 3);
  child.kill('SIGTERM');
  expect(await exit).toEqual([0, null]);
  expect(messages.at(-1)).toMatch(/^(STOPPING=1\nSTATUS=|WATCHDOG=1)/);
  expect(messages.filter((text) => text.startsWith('STOPPING=1'))).toHaveLength(1);
});

test('a watchdog of another process is not fed, and a manager that is away does no harm', async () => {
  const messages = await listenAt(place.path('other'));
  const { child, exit } = startService({
    NOTIFY_SOCKET: place.path('other'),
    WATCHDOG_USEC: '100000',
    WATCHDOG_PID: '1',
  });
  await until('ready', () => messages.length > 0);
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(messages).toHaveLength(1);
  child.kill('SIGTERM');
  await exit;
  const alone = startService({ NOTIFY_SOCKET: place.path('nobody-listens') });
  await until(
    'service',
    async () => (await fetch('http://localhost:9117/status').catch(() => null))?.ok ?? false,
  );
  alone.child.kill('SIGTERM');
  expect(await alone.exit).toEqual([0, null]);
});
