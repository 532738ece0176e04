import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { eachOf, openDirectory } from '../../../src/registry/files.ts';

test('a directory that has become a link is not opened', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'ol-files-'));
  onTestFinished(() => rm(dir, { recursive: true }));
  await symlink('/etc', join(dir, 'link'));
  const opened = openDirectory(join(dir, 'link'), { name: 'f', path: 'link' });
  await expect(opened).rejects.toMatchObject({ why: 'changed', path: 'link' });
});

test('after a failure no other item is begun, and none is under way when it is told', async () => {
  const state = { begun: 0, running: 0 };
  const work = async (item: number) => {
    state.begun += 1;
    state.running += 1;
    await new Promise((resolve) => setTimeout(resolve, item));
    state.running -= 1;
    if (item === 1) throw new Error('one');
  };
  await expect(eachOf([1, 20, 30, 2, 2, 2], 3, work)).rejects.toThrow('one');
  expect(state).toEqual({ begun: 3, running: 0 });
});
