import { chmod, link, lstat, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { moveOut, takeOver } from '../../../src/packages/take-over.ts';
import { useTempDir } from '../cluster/temp-dir.ts';

const temp = useTempDir();

/** A package as an installer leaves it; returns its directory. */
async function makePackage(name: string): Promise<string> {
  const dir = join(temp.dir, name);
  await mkdir(join(dir, 'six-1.dist-info'), { recursive: true });
  await writeFile(join(dir, 'six.py'), 'x = 1\n', { mode: 0o600 });
  return dir;
}

test('a package becomes readable for all, and changeable for nobody', async () => {
  const dir = await makePackage('plain');
  await writeFile(join(dir, 'tool'), '');
  await chmod(join(dir, 'tool'), 0o6777);
  await chmod(dir, 0o700);
  await takeOver(dir);
  const modes = await Promise.all(
    ['', 'six.py', 'tool'].map(async (name) => (await lstat(join(dir, name))).mode & 0o7777),
  );
  expect(modes.map((mode) => mode.toString(8))).toEqual(['755', '644', '755']);
});

test('links, sockets and packages without metadata are refused', async () => {
  const linked = await makePackage('linked');
  await symlink('/etc/shadow', join(linked, 'data'));
  await expect(takeOver(linked)).rejects.toThrow('"data" in it is neither a file nor a directory');
  const withSocket = await makePackage('socket');
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(join(withSocket, 's'), resolve));
  await expect(takeOver(withSocket)).rejects.toThrow('"s" in it is neither');
  await new Promise((resolve) => server.close(resolve));
  const bare = join(temp.dir, 'bare');
  await mkdir(bare);
  await expect(takeOver(bare)).rejects.toThrow('no metadata');
});

test('a link in the place of any part of the way out is not followed', async () => {
  const secret = join(temp.dir, 'secret', 'six-1');
  await mkdir(join(secret, 'six-1.dist-info'), { recursive: true });
  const scratch = join(temp.dir, 'scratch');
  await mkdir(scratch);
  const target = join(temp.dir, 'target');
  await expect(moveOut(scratch, 'six-1', target)).rejects.toThrow('made nothing');
  await symlink(join(temp.dir, 'secret'), join(scratch, 'out'));
  await expect(moveOut(scratch, 'six-1', target)).rejects.toThrow('made nothing');
  const other = join(temp.dir, 'other');
  await mkdir(join(other, 'out'), { recursive: true });
  await symlink(secret, join(other, 'out', 'six-1'));
  await moveOut(other, 'six-1', target);
  await expect(takeOver(target)).rejects.toThrow('made no directory');
  expect((await lstat(secret)).isDirectory()).toBe(true);
});

test('a file of two names, as installers link them from their cache, is taken', async () => {
  const dir = await makePackage('twice');
  await link(join(dir, 'six.py'), join(temp.dir, 'cached.py'));
  await takeOver(dir);
  expect(await readFile(join(dir, 'six.py'), 'utf8')).toBe('x = 1\n');
});
