import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { LogDestination } from '../../../src/telemetry/log-destination.ts';

const PAGE = 4096;
const line = (length: number) => `${JSON.stringify({ msg: 'x'.repeat(length) })}\n`;

test('a log that can’t be written is no error', () => {
  const fd = openSync('/dev/full', 'w');
  onTestFinished(() => closeSync(fd));
  const log = new LogDestination(fd);
  for (let count = 0; count < 3; count++) log.write(line(10));
});

test('what a full disk loses is counted, and told when there is room again; each line is one of its own', () => {
  const dir = mkdtempSync(join(tmpdir(), 'ol-log-'));
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${8 * PAGE}`, 'ol-log', dir]);
  const filler = join(dir, 'filler');
  const file = join(dir, 'log');
  const fd = openSync(file, 'a');
  onTestFinished(() => {
    closeSync(fd);
    execFileSync('umount', [dir]);
    rmdirSync(dir);
  });
  writeFileSync(filler, Buffer.alloc(6 * PAGE));
  const log = new LogDestination(fd);
  log.write(line(10));
  // It begins in the last page that there is, and does not fit.
  for (let count = 0; count < 3; count++) log.write(line(3 * PAGE));
  rmSync(filler);
  log.write(line(20));
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
  expect(lines).toHaveLength(4);
  expect(JSON.parse(lines[0] ?? '')).toEqual({ msg: 'x'.repeat(10) });
  expect(JSON.parse(lines[2] ?? '')).toMatchObject({
    lost: 3,
    msg: expect.stringMatching(/lines of the log are lost/),
  });
  expect(JSON.parse(lines[3] ?? '')).toEqual({ msg: 'x'.repeat(20) });
});
