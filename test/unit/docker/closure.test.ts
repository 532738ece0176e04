import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { link, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { list, type ReadEntry } from 'tar';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeTestDir, removeEmptyRoot } from '../../helpers/test-root.ts';

const CLOSURE = join(import.meta.dirname, '../../../src/docker/closure.py');
const MAX_BYTES = 200_000_000;

let dir: string;
const entries = new Map<string, ReadEntry>();

/** The archive of a skeleton that has one file, by two names. */
beforeAll(async () => {
  dir = await makeTestDir();
  await mkdir(join(dir, 'etc'));
  await writeFile(join(dir, 'etc', 'one'), 'public');
  await link(join(dir, 'etc', 'one'), join(dir, 'etc', 'two'));
  const options = { encoding: 'buffer', maxBuffer: MAX_BYTES } as const;
  const { stdout } = await promisify(execFile)('/usr/bin/python3', ['-I', CLOSURE, dir], options);
  const parser = list({ onReadEntry: (entry) => entries.set(`/${entry.path}`.replace(/\/$/, ''), entry) });
  await new Promise((resolve, reject) => {
    Readable.from([stdout]).pipe(parser).on('end', resolve).on('error', reject);
  });
});
afterAll(async () => {
  await rm(dir, { recursive: true });
  await removeEmptyRoot();
});

const named = (pattern: RegExp) => [...entries.keys()].filter((path) => pattern.test(path));

test('of the machine’s /etc there is what came with the skeleton alone: no keys, whatever links lead to them', () => {
  expect(named(/^\/etc/).sort()).toEqual(['/etc', '/etc/one', '/etc/two']);
});

test('what not everybody may read is not in it', () => {
  const readable = ({ mode }: ReadEntry) => ((mode ?? 0) & 0o004) !== 0;
  expect([...entries].filter(([, entry]) => !readable(entry))).toEqual([]);
});

test('a file that has two names is in it once', () => {
  const { type, linkpath, size } = entries.get('/etc/two') ?? {};
  expect([type, linkpath, size]).toEqual(['Link', 'etc/one', 0]);
});

test('of packages that the machine has there is pip alone, as an archive', () => {
  const names = named(/\/(site|dist)-packages\//).map((path) => path.replace(/.*-packages\//, ''));
  expect(names.sort()).toEqual(['pip.pth', 'pip.zip']);
});

test('it has the library and what is compiled of it, but not what is compiled for `-O`, nor what a linker reads', () => {
  expect(named(/\/json\/__init__\.py$/)).toHaveLength(1);
  if (existsSync(named(/\/json\/__init__\.py$/)[0]?.replace('__init__.py', '__pycache__') ?? ''))
    expect(named(/\/json\/__pycache__\/decoder\.[^/]*\.pyc$/)).toHaveLength(1);
  expect(named(/\.opt-\d\.pyc$|\.a$|\/lib2to3|\/(site|user)customize/)).toEqual([]);
});
