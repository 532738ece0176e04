import { closeSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { checkKernel } from '../../../src/linux/kernel.ts';
import { detachedMount } from '../../../src/linux/mounts.ts';
import { useTempDir } from '../cluster/temp-dir.ts';

const temp = useTempDir();

test('a detached mount shows the directory, is in no mount table, and a read-only one refuses writes', () => {
  const dir = join(temp.dir, 'dir');
  mkdirSync(dir);
  writeFileSync(join(dir, 'file'), 'content');
  const table = readFileSync('/proc/self/mountinfo', 'utf8');
  const [readOnly, writable] = [detachedMount(dir, 'read-only'), detachedMount(dir, 'writable')];
  expect(readFileSync('/proc/self/mountinfo', 'utf8')).toBe(table);
  expect(readFileSync(`/proc/self/fd/${readOnly}/file`, 'utf8')).toBe('content');
  expect(() => writeFileSync(`/proc/self/fd/${readOnly}/new`, '')).toThrow(/EROFS/);
  writeFileSync(`/proc/self/fd/${writable}/new`, '');
  expect(readdirSync(dir).sort()).toEqual(['file', 'new']);
  for (const fd of [readOnly, writable]) closeSync(fd);
});

test('a link in the place of the directory is not followed', () => {
  symlinkSync('/etc', join(temp.dir, 'link'));
  const fd = detachedMount(join(temp.dir, 'link'), 'writable');
  expect(() => readdirSync(`/proc/self/fd/${fd}`)).toThrow();
  closeSync(fd);
});

test('a directory that is not there is told by its path', () => {
  const path = join(temp.dir, 'none');
  expect(() => detachedMount(path, 'read-only')).toThrow(`open_tree failed with ENOENT on ${path}`);
});

test('this kernel has all that sandboxes need', () => {
  checkKernel();
});
