import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { removeTree } from '../../../src/linux/remove-tree.ts';
import { useTempDir } from '../cluster/temp-dir.ts';

const temp = useTempDir();
const DEEP = `
import os, sys
os.chdir(sys.argv[1])
for _ in range(2500):
    open(b'\\xff', 'w').close()
    os.symlink('/', 'link')
    os.mkdir('side')
    os.mkdir('d')
    os.chdir('d')
`;

test('a tree that is deeper than any path is removed, names that are no text and links with it', async () => {
  const dir = join(temp.dir, 'tree');
  mkdirSync(dir);
  execFileSync('/usr/bin/python3', ['-I', '-c', DEEP, dir]);
  await removeTree(dir);
  expect(readdirSync(temp.dir)).toEqual([]);
});

test('what a link leads to stays', async () => {
  const dir = join(temp.dir, 'tree');
  mkdirSync(dir);
  writeFileSync(join(temp.dir, 'kept'), '');
  symlinkSync(temp.dir, join(dir, 'link'));
  await removeTree(dir);
  expect(readdirSync(temp.dir)).toEqual(['kept']);
});

test('what is not there needs no removal', async () => {
  await removeTree(join(temp.dir, 'none'));
  expect(existsSync(join(temp.dir, 'none.flat'))).toBe(false);
});
