import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { makeDir, renameToNew } from '../../../src/cluster/files.ts';
import { writeFileAtomic } from '../../../src/linux/durable.ts';
import { useTempDir } from './temp-dir.ts';

const temp = useTempDir();

test('a file is written whole, with the mode that it had', async () => {
  const path = join(temp.dir, 'f');
  await writeFileAtomic(path, 'one');
  expect(statSync(path).mode & 0o777).toBe(0o644);
  chmodSync(path, 0o600);
  await writeFileAtomic(path, 'two');
  expect(readFileSync(path, 'utf8')).toBe('two');
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

test('writes at the same time leave one of them and nothing else', async () => {
  const path = join(temp.dir, 'f');
  const texts = Array.from({ length: 20 }, (_, index) => String(index).repeat(1000));
  await Promise.all(texts.map((text) => writeFileAtomic(path, text)));
  expect(texts).toContain(readFileSync(path, 'utf8'));
  expect(readdirSync(temp.dir)).toEqual(['f']);
});

test('a link is replaced and not followed', async () => {
  writeFileSync(join(temp.dir, 'target'), 'untouched');
  symlinkSync('target', join(temp.dir, 'f'));
  await writeFileAtomic(join(temp.dir, 'f'), 'new');
  expect(readFileSync(join(temp.dir, 'target'), 'utf8')).toBe('untouched');
  expect(readFileSync(join(temp.dir, 'f'), 'utf8')).toBe('new');
});

test('a failed write leaves nothing', async () => {
  mkdirSync(join(temp.dir, 'd'));
  await expect(writeFileAtomic(join(temp.dir, 'd'), 'x')).rejects.toThrow(/EISDIR/);
  expect(readdirSync(temp.dir)).toEqual(['d']);
});

test('a rename to a new name refuses an empty directory, too', async () => {
  await makeDir(join(temp.dir, 'a'));
  await makeDir(join(temp.dir, 'b'));
  await expect(renameToNew(join(temp.dir, 'a'), join(temp.dir, 'b'))).rejects.toMatchObject({
    code: 'ERR_CLUSTER_EXISTS',
  });
  await renameToNew(join(temp.dir, 'a'), join(temp.dir, 'c'));
  expect(existsSync(join(temp.dir, 'c'))).toBe(true);
});

test('a directory gets its mode whatever the umask', async () => {
  const before = process.umask(0o077);
  try {
    await makeDir(join(temp.dir, 'open'));
  } finally {
    process.umask(before);
  }
  expect(statSync(join(temp.dir, 'open')).mode & 0o777).toBe(0o755);
});
