import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { openAnonymous, openUnlinked } from '../../../src/linux/anonymous-file.ts';

test.each([
  ['as the kernel has it', openAnonymous],
  ['where the file system has no such files', openUnlinked],
])('a file without a name, %s: it is written and read by its descriptor, and in no directory', async (_, make) => {
  const dir = await mkdtemp(join(tmpdir(), 'ol-anonymous-'));
  onTestFinished(() => rm(dir, { recursive: true }));
  await using file = await make(dir);
  await file.write('content');
  expect(await readdir(dir)).toEqual([]);
  expect(await readFile(`/proc/self/fd/${file.fd}`, 'utf8')).toBe('content');
  expect((await file.stat()).mode & 0o777).toBe(0o600);
});

test('where the directory is missing, that is the error', async () => {
  await expect(openAnonymous('/tmp/not/there')).rejects.toMatchObject({ code: 'ENOENT' });
});
