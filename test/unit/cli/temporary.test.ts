import { chmod, chown, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { withTemporaryDir } from '../../../src/cli/temporary.ts';

async function makeParent(): Promise<string> {
  const parent = await mkdtemp(join(tmpdir(), 'ol-temporary-'));
  onTestFinished(() => rm(parent, { recursive: true }));
  return parent;
}

test('the directory is there for the work, and gone after it, whatever came of it', async () => {
  const parent = await makeParent();
  const inside = await withTemporaryDir(parent, async (dir) => {
    await writeFile(join(dir, 'file'), '');
    return await readdir(parent);
  });
  expect(inside).toEqual([expect.stringMatching(/^\.ol-admin-/)]);
  const failed = withTemporaryDir(parent, () => Promise.reject(new Error('no')));
  await expect(failed).rejects.toThrow('no');
  expect(await readdir(parent)).toEqual([]);
});

test('one that a killed command left goes with the next, one in use does not', async () => {
  const parent = await makeParent();
  await mkdir(join(parent, '.ol-admin-left/deep'), { recursive: true });
  await chmod(join(parent, '.ol-admin-left'), 0o700);
  await withTemporaryDir(parent, async (first) => {
    await withTemporaryDir(parent, async (second) => {
      expect((await readdir(parent)).sort()).toEqual([first, second].map((dir) => basename(dir)).sort());
    });
  });
  expect(await readdir(parent)).toEqual([]);
});

test('what somebody else may have put there under such a name stays', async () => {
  const parent = await makeParent();
  const others = ['.ol-admin-mode', '.ol-admin-owner', '.ol-admin-link', '.ol-admin-file'] as const;
  const [mode, owner, link, file] = others.map((name) => join(parent, name)) as [
    string,
    string,
    string,
    string,
  ];
  await mkdir(mode);
  await chmod(mode, 0o755);
  await mkdir(owner, { mode: 0o700 });
  await chown(owner, 12_345, 12_345);
  await mkdir(join(parent, 'elsewhere'), { mode: 0o700 });
  await symlink('elsewhere', link);
  await writeFile(file, '');
  await withTemporaryDir(parent, async () => {});
  expect((await readdir(parent)).sort()).toEqual([...others, 'elsewhere'].sort());
});
