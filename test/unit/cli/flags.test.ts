import { readdirSync } from 'node:fs';
import { Command } from 'commander';
import { expect, test } from 'vitest';
import type { Setup } from '../../../src/cli/command.ts';
import { LONG_FLAGS, normaliseFlags } from '../../../src/cli/flags.ts';

const rooms = new URL('../../../src/cli/', import.meta.url);
/** Commands are the files that have a `setup`; worker-exec's imports the whole worker. */
const COMMANDS = ['new', 'setconf', 'workers', 'worker-exec', 'status', 'fit', 'simulate', 'kill'];

test.each([
  [
    ['-cluster', 'x'],
    ['--cluster', 'x'],
  ],
  [['-cluster=x'], ['--cluster=x']],
  [['--cluster=x'], ['--cluster=x']],
  [
    ['--cluster', 'x'],
    ['--cluster', 'x'],
  ],
  [
    ['-num-workers=3', '-port', '80'],
    ['--num-workers=3', '--port', '80'],
  ],
  [['-clustre=x'], ['--clustre=x']],
  [
    ['-h', '-V', '-'],
    ['-h', '-V', '-'],
  ],
])('%j is read as %j', (args, expected) => {
  expect(normaliseFlags(args)).toEqual(expected);
});

test('the value of a flag stays as it is, and so does all after --', () => {
  expect(normaliseFlags(['-cluster', '-odd', '-json'])).toEqual(['--cluster', '-odd', '--json']);
  expect(normaliseFlags(['--', '-cluster'])).toEqual(['--', '-cluster']);
});

test('every flag of every command is known', async () => {
  for (const name of COMMANDS) {
    const { setup } = (await import(new URL(`${name}.ts`, rooms).href)) as { setup: Setup };
    const command = new Command(name);
    setup(command);
    for (const { long } of command.options) expect(LONG_FLAGS).toContain(long?.slice(2));
  }
  expect(readdirSync(rooms)).toEqual(expect.arrayContaining(COMMANDS.map((name) => `${name}.ts`)));
});
