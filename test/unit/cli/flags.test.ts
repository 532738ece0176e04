import { readdirSync, readFileSync } from 'node:fs';
import { Command } from 'commander';
import { expect, test } from 'vitest';
import type { Setup } from '../../../src/cli/command.ts';
import { normaliseFlags } from '../../../src/cli/flags.ts';

const rooms = new URL('../../../src/cli/', import.meta.url);
/** Commands are the files that have a `setup`. */
const COMMANDS = readdirSync(rooms).filter((file) =>
  readFileSync(new URL(file, rooms), 'utf8').includes('export function setup('),
);

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
  expect(COMMANDS).toEqual(expect.arrayContaining(['new.ts', 'upload.ts', 'registry.ts', 'packages.ts']));
  for (const file of COMMANDS) {
    const { setup } = (await import(new URL(file, rooms).href)) as { setup: Setup };
    const command = new Command(file);
    setup(command);
    for (const { long, required } of command.options) {
      const next = required ? '-odd' : '--odd';
      expect(normaliseFlags([String(long), '-odd']), file).toEqual([long, next]);
    }
  }
});
