import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ScratchDir } from '../../../../src/sandbox/scratch/scratch-dir.ts';
import { makeTestDir, removeEmptyRoot } from '../../../helpers/test-root.ts';

const UID = 1_500_000_000;
let root: string;
let made = 0;

beforeAll(async () => {
  root = await makeTestDir();
});
afterAll(async () => {
  rmSync(root, { recursive: true });
  await removeEmptyRoot();
});

/** One that a sandbox has had under another name. */
function used(): { dir: ScratchDir; home: string; path: string } {
  const home = join(root, String(++made));
  const dir = new ScratchDir(home, UID);
  const path = join(root, 'functions', 'f', String(made));
  dir.moveTo(path);
  return { dir, home, path };
}

test('a new one belongs to its user alone, with outputs to write to', () => {
  const home = join(root, String(++made));
  new ScratchDir(home, UID);
  const { mode, uid, gid } = statSync(home);
  expect([mode & 0o7777, uid, gid]).toEqual([0o700, UID, UID]);
  for (const name of ['stdout', 'stderr'])
    expect(statSync(join(home, name))).toMatchObject({ uid: UID, size: 0 });
});

test('one that was only written to is used again, empty, with the same inodes and its first name', () => {
  const { dir, home, path } = used();
  const before = [path, `${path}/stdout`, `${path}/stderr`].map((one) => statSync(one).ino);
  appendFileSync(join(path, 'stdout'), 'secret');
  writeFileSync(join(path, 'server_pipe'), '');
  utimesSync(join(path, 'stderr'), 1, 2);
  utimesSync(path, 3, 4);
  expect(dir.renew()).toBe(true);
  expect(dir.path).toBe(home);
  expect([home, `${home}/stdout`, `${home}/stderr`].map((one) => statSync(one).ino)).toEqual(before);
  expect(readFileSync(join(home, 'stdout'), 'utf8')).toBe('');
  expect([existsSync(path), existsSync(join(home, 'server_pipe'))]).toEqual([false, false]);
  const recent = Date.now() - 60_000;
  for (const one of [home, `${home}/stderr`]) {
    expect(statSync(one).mtimeMs).toBeGreaterThan(recent);
    expect(statSync(one).atimeMs).toBeGreaterThan(recent);
  }
});

test('space that was reserved beyond the end of an output is given back', () => {
  const { dir, home, path } = used();
  execFileSync('fallocate', ['--keep-size', '--length', '1M', join(path, 'stdout')]);
  expect(statSync(join(path, 'stdout')).blocks).toBeGreaterThan(0);
  expect(dir.renew()).toBe(true);
  expect(statSync(join(home, 'stdout')).blocks).toBe(0);
});

const victim = () => join(root, `victim-${made}`);

test.each<[string, (path: string) => void]>([
  ['another file', (path) => writeFileSync(join(path, 'left'), '')],
  ['a hidden file', (path) => writeFileSync(join(path, '.left'), '')],
  ['a directory', (path) => mkdirSync(join(path, 'left'))],
  ['another mode of the directory', (path) => chmodSync(path, 0o711)],
  ['another mode of an output', (path) => chmodSync(join(path, 'stderr'), 0o666)],
  ['another owner', (path) => chownSync(join(path, 'stdout'), UID + 1, UID + 1)],
  ['no output', (path) => unlinkSync(join(path, 'stdout'))],
  ['another output', (path) => replace(join(path, 'stdout'), (at) => writeFileSync(at, '', { mode: 0o644 }))],
  ['a link for an output', (path) => replace(join(path, 'stderr'), (at) => symlinkSync(victim(), at))],
  ['a hard link for an output', (path) => replace(join(path, 'stderr'), (at) => linkSync(victim(), at))],
  [
    'a FIFO for an output',
    (path) => replace(join(path, 'stderr'), (at) => void execFileSync('mkfifo', [at])),
  ],
  ['a directory for an output', (path) => replace(join(path, 'stdout'), (at) => mkdirSync(at))],
  ['a directory for the socket', (path) => mkdirSync(join(path, 'server_pipe'))],
  ['the two outputs in each other’s place', swapOutputs],
  ['an extended attribute of an output', (path) => setAttribute(join(path, 'stdout'))],
  ['an extended attribute of the directory', setAttribute],
  ['a flag of an output', (path) => void execFileSync('chattr', ['+A', join(path, 'stdout')])],
  ['a flag of the directory', (path) => void execFileSync('chattr', ['+d', path])],
  ['a directory that has grown', grow],
])('what was left with %s is of no more use, and nothing outside of it is touched', (_what, leave) => {
  const { dir, path } = used();
  writeFileSync(victim(), 'content');
  truncateSync(join(path, 'stdout'), 0);
  leave(path);
  expect(dir.renew()).toBe(false);
  expect(readFileSync(victim(), 'utf8')).toBe('content');
});

test('a link for the socket is removed, and not followed', () => {
  const { dir, home, path } = used();
  writeFileSync(victim(), 'content');
  symlinkSync(victim(), join(path, 'server_pipe'));
  expect(dir.renew()).toBe(true);
  expect(readFileSync(victim(), 'utf8')).toBe('content');
  expect(() => lstatSync(join(home, 'server_pipe'))).toThrow(/ENOENT/);
});

function replace(path: string, put: (path: string) => void): void {
  unlinkSync(path);
  put(path);
}

function swapOutputs(path: string): void {
  renameSync(`${path}/stdout`, `${path}/kept`);
  renameSync(`${path}/stderr`, `${path}/stdout`);
  renameSync(`${path}/kept`, `${path}/stderr`);
}

function setAttribute(path: string): void {
  execFileSync('/usr/bin/python3', [
    '-c',
    'import os, sys; os.setxattr(sys.argv[1], "user.left", b"1")',
    path,
  ]);
}

function grow(path: string): void {
  const names = Array.from({ length: 2000 }, (_, index) => join(path, `${'x'.repeat(100)}${index}`));
  for (const name of names) writeFileSync(name, '');
  for (const name of names) unlinkSync(name);
}
