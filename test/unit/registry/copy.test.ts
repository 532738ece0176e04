import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, open, readdir, rename, rm, symlink, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { checkQuiet, copyCode, QUIET_MS } from '../../../src/registry/copy.ts';
import { CODE_LIMITS } from '../../../src/registry/limits.ts';
import { survey } from '../../../src/registry/survey.ts';

test('a file that has just changed is to be read again when it has been left alone long enough', () => {
  expect(() => checkQuiet('f', 1000, 1010)).toThrow(
    expect.objectContaining({ why: 'quiet', waitMs: QUIET_MS - 10 }),
  );
  expect(() => checkQuiet('f', 1000, 1000)).toThrow(
    expect.objectContaining({ why: 'quiet', waitMs: QUIET_MS }),
  );
});

test('a file that has been left alone, or whose time is ahead of the clock, can be read', () => {
  checkQuiet('f', 1000, 1000 + QUIET_MS);
  checkQuiet('f', 1000, 999);
});

/** Surveys `code/sub/file`, lets `exchange` do something, and copies what was surveyed. */
async function copyAfter(
  exchange: (root: string) => Promise<void>,
): Promise<{ copied: Promise<string>; to: string }> {
  const root = await mkdtemp(join(tmpdir(), 'ol-copy-'));
  const [code, to] = [join(root, 'code'), join(root, 'to')];
  for (const dir of [join(code, 'sub'), to, join(root, 'outside')]) await mkdir(dir, { recursive: true });
  await writeFile(join(code, 'sub/file'), 'inside');
  await writeFile(join(root, 'outside/file'), 'secret');
  const handle = await open(code);
  onTestFinished(async () => {
    await handle.close();
    await rm(root, { recursive: true });
  });
  const found = await survey(handle, { name: 'f', limits: CODE_LIMITS });
  await exchange(root);
  return { copied: copyCode({ name: 'f', root: handle, survey: found, target: to }), to };
}

test('a directory that is exchanged for a link after the survey leads nowhere', async () => {
  const { copied, to } = await copyAfter(async (root) => {
    await rename(join(root, 'code/sub'), join(root, 'code/away'));
    await symlink('../outside', join(root, 'code/sub'));
  });
  await expect(copied).rejects.toMatchObject({ why: 'changed', path: 'sub/file' });
  expect(await readdir(join(to, 'sub'))).toEqual([]);
});

test('a file that is exchanged for a link after the survey is not followed', async () => {
  const { copied, to } = await copyAfter(async (root) => {
    await unlink(join(root, 'code/sub/file'));
    await symlink('../../outside/file', join(root, 'code/sub/file'));
  });
  await expect(copied).rejects.toMatchObject({ why: 'changed', path: 'sub/file' });
  expect(await readdir(join(to, 'sub'))).toEqual([]);
});

test('a file that is exchanged for a FIFO after the survey holds nobody up', async () => {
  const { copied } = await copyAfter(async (root) => {
    await unlink(join(root, 'code/sub/file'));
    execFileSync('mkfifo', [join(root, 'code/sub/file')]);
  });
  await expect(copied).rejects.toMatchObject({ why: 'changed', path: 'sub/file' });
});
