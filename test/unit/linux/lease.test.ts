import { execFile } from 'node:child_process';
import { chmodSync, closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, onTestFinished, test } from 'vitest';
import { writersOf } from '../../../src/linux/lease.ts';
import { asNobody } from '../../helpers/nobody.ts';
import { startWriter } from './writer.ts';

function makeFile(): string {
  const dir = mkdtempSync(join(tmpdir(), 'ol-lease-'));
  chmodSync(dir, 0o755);
  onTestFinished(() => rmSync(dir, { recursive: true }));
  const path = join(dir, 'file');
  writeFileSync(path, 'content');
  return path;
}

function ask(path: string): string {
  const fd = openSync(path, 'r');
  try {
    return writersOf(fd, path);
  } finally {
    closeSync(fd);
  }
}

test('a file that nobody has open has no writer', () => {
  const path = makeFile();
  expect(ask(path)).toBe('none');
});

test('a file that others only read has no writer', () => {
  const path = makeFile();
  const fd = openSync(path, 'r');
  expect(ask(path)).toBe('none');
  closeSync(fd);
});

test('a file that another process has open for writing has one, until it is closed', async () => {
  const path = makeFile();
  const writer = await startWriter('half', path, 'first', 'rest');
  expect(ask(path)).toBe('some');
  await writer.finish();
  expect(ask(path)).toBe('none');
  expect(readFileSync(path, 'utf8')).toBe('firstrest');
});

test('a file that another process has mapped for writing has one, although it is closed', async () => {
  const path = makeFile();
  const writer = await startWriter('map', path);
  expect(ask(path)).toBe('some');
  await writer.finish();
  expect(ask(path)).toBe('none');
});

test('asking leaves no lease behind', () => {
  const path = makeFile();
  const fd = openSync(path, 'r');
  expect(writersOf(fd, path)).toBe('none');
  expect(readFileSync('/proc/locks', 'utf8')).not.toMatch(new RegExp(`LEASE.*\\b${process.pid}\\b`));
  closeSync(fd);
});

test('without the right to a lease the answer is that it is not known', async () => {
  const path = makeFile();
  const script = join(import.meta.dirname, 'ask-writers.ts');
  const [command, ...args] = asNobody(process.execPath, script, path);
  const { stdout } = await promisify(execFile)(command, args);
  expect(stdout).toBe('unknown');
});
