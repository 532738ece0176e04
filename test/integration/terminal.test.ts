import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { beforeAll, expect, test } from 'vitest';
import { leavesNothing } from '../helpers/leftovers.ts';
import { CLI, usePlace } from './run-admin.ts';

leavesNothing();
const place = usePlace();
const TERMINAL = fileURLToPath(new URL('../fixtures/terminal.py', import.meta.url));

beforeAll(async () => {
  expect(await place.admin('new', '--cluster=c')).toMatchObject({ status: 0 });
  expect(await place.admin('setconf', '--cluster=c', '{"worker_port": 0}')).toMatchObject({ status: 0 });
});

/** Runs a command on a terminal; `shown` is what is to be seen there by now. */
function onTerminal(...argv: readonly string[]) {
  const child = spawn('/usr/bin/python3', [TERMINAL, ...argv], { cwd: place.dir });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  return { ended: once(child, 'close'), shown: () => text, keyboard: child.stdin };
}

test('a worker in the foreground has a log that can be read, and ends cleanly when ctrl-C is typed', async () => {
  const config = '--config=c/config/template.json';
  const { ended, shown, keyboard } = onTerminal(process.execPath, CLI, 'worker-exec', config);
  await expect.poll(shown).toMatch(/INFO.*ready.*\r\n/);
  keyboard.write('\x03');
  expect(await ended).toEqual([0, null]);
  expect(shown()).toMatch(/INFO.*ended/);
  expect(shown()).not.toContain('{"level"');
});

test('a worker in the background lives on when the terminal that it was started from is closed', async () => {
  const words = [process.execPath, CLI, 'workers', '--cluster=c'];
  const { ended, shown, keyboard } = onTerminal(
    'sh',
    '-c',
    '"$@" && echo started && sleep 600',
    'sh',
    ...words,
  );
  await expect.poll(shown).toContain('started\r\n');
  keyboard.end();
  await ended;
  expect(await place.admin('status', '--cluster=c')).toMatchObject({
    status: 0,
    stdout: expect.stringContaining('ready [200 OK]'),
  });
});
