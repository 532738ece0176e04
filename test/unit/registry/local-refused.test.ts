import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { chmod, lstat, mkdir, readlink, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { descriptorsOf, setUp } from './setup.ts';

test('a FIFO is refused by name, and nobody waits for its other end', async () => {
  const { at, put, registry, pulled } = await setUp();
  await put('f/lambda_func.py', '#');
  execFileSync('mkfifo', [at('f/pipe')]);
  await expect(registry.pull('f')).rejects.toThrow("the code of 'f' is refused: pipe is a FIFO");
  await rm(at('f/pipe'));
  expect(await pulled('f')).toBe('#');
});

test('a FIFO in the place of lambda_func.py is refused', async () => {
  const { at, registry } = await setUp();
  await mkdir(at('f'));
  execFileSync('mkfifo', [at('f/lambda_func.py')]);
  await expect(registry.pull('f')).rejects.toMatchObject({ code: 'ERR_CODE_REFUSED' });
});

test('a socket is refused', async () => {
  const { at, put, registry } = await setUp();
  await put('f/lambda_func.py', '#');
  const server = createServer().listen(at('f/sock'));
  await once(server, 'listening');
  await expect(registry.pull('f')).rejects.toThrow('sock is a socket');
  server.close();
});

test('a device is refused', async () => {
  const { at, put, registry } = await setUp();
  await put('f/lambda_func.py', '#');
  execFileSync('mknod', [at('f/null'), 'c', '1', '3']);
  await expect(registry.pull('f')).rejects.toThrow('null is a device');
});

test('links that stay inside the function are copied as links', async () => {
  const { at, put, pulled, registry } = await setUp();
  await put('f/lambda_func.py', '#');
  await put('f/v2/data', 'two');
  await symlink('v2', at('f/current'));
  await symlink('../current/data', at('f/v2/again'));
  expect(await pulled('f', 'v2/again')).toBe('two');
  const { dir } = await registry.pull('f');
  expect(await readlink(join(dir, 'current'))).toBe('v2');
});

test('a link that is turned to another file changes the version', async () => {
  const { at, put, registry } = await setUp();
  await put('f/lambda_func.py', '#');
  await symlink('a', at('f/link'));
  const before = await registry.pull('f');
  await rm(at('f/link'));
  await symlink('b', at('f/link'));
  expect((await registry.pull('f')).version).not.toBe(before.version);
});

test('links that leave the function are refused, however they do it', async () => {
  const { at, put, registry } = await setUp();
  await put('f/lambda_func.py', '#');
  await put('f/deep/er/x', '');
  for (const target of ['/etc/passwd', '..', '../g/secret', 'deep/../../g', './/..', 'deep/er/../../..']) {
    await symlink(target, at('f/link'));
    await expect(registry.pull('f')).rejects.toThrow(/refused: link is .*link/);
    await rm(at('f/link'));
  }
  await symlink('../../..', at('f/deep/er/link'));
  await expect(registry.pull('f')).rejects.toThrow(
    "deep/er/link is a link that leaves the function's directory",
  );
});

test('modes are 0644, or 0755 where the file can be run, and no more', async () => {
  const { at, put, registry } = await setUp();
  await put('f/lambda_func.py', '#');
  await put('f/bin/tool', '#!/bin/sh\n');
  await chmod(at('f/lambda_func.py'), 0o600);
  await chmod(at('f/bin/tool'), 0o6711);
  await chmod(at('f/bin'), 0o700);
  const { dir } = await registry.pull('f');
  const mode = async (path: string) => ((await lstat(join(dir, path))).mode & 0o7777).toString(8);
  expect(await mode('lambda_func.py')).toBe('644');
  expect(await mode('bin/tool')).toBe('755');
  expect(await mode('bin')).toBe('755');
  expect(await mode('.')).toBe('755');
  expect((await stat(join(dir, 'bin/tool'))).uid).toBe(process.getuid?.());
});

test('more bytes, files or directories than allowed are refused, with the limit', async () => {
  const { put, registry } = await setUp({ maxBytes: 1000, maxFiles: 10, maxDepth: 3 });
  for (const name of ['big', 'many', 'deep', 'fits']) await put(`${name}/lambda_func.py`, '#');
  await put('big/data', 'x'.repeat(1000));
  for (let count = 0; count < 10; count += 1) await put(`many/${count}`, '');
  await put('deep/1/2/3/4/x', '');
  await put('fits/1/2/3/x', 'x'.repeat(999));
  await expect(registry.pull('big')).rejects.toThrow("'big' holds more than 1000 bytes");
  await expect(registry.pull('many')).rejects.toThrow("'many' holds more than 10 files");
  await expect(registry.pull('deep')).rejects.toThrow('1/2/3/4 is more than 3 directories deep');
  await expect(registry.pull('fits')).resolves.toMatchObject({ name: 'fits' });
});

test('a name that is not UTF-8 is refused', async () => {
  const { at, put, registry } = await setUp();
  await put('f/lambda_func.py', '#');
  await writeFile(Buffer.concat([Buffer.from(`${at('f')}/`), Buffer.from([0xff, 0xfe])]), '');
  await expect(registry.pull('f')).rejects.toThrow('has a name that is not UTF-8');
});

test('a file in the place of a function, and a link to nowhere or to itself, are no functions', async () => {
  const { at, put, registry } = await setUp();
  await put('file', '');
  await symlink('nowhere', at('broken'));
  await symlink('loop', at('loop'));
  await mkdir(at('dir/lambda_func.py'), { recursive: true });
  for (const name of ['file', 'broken', 'loop', 'dir']) {
    await expect(registry.pull(name)).rejects.toMatchObject({ code: 'ERR_NO_FUNCTION' });
  }
});

test('no descriptor stays open, whatever came of the pulls', async () => {
  const before = descriptorsOf('/nothing');
  const { root, at, put, registry } = await setUp();
  await put('good/a/b/lambda_func.py', '#');
  await put('good/lambda_func.py', '#');
  await put('bad/lambda_func.py', '#');
  await put('bad/a/b/x', '#');
  execFileSync('mkfifo', [at('bad/a/b/pipe')]);
  for (const name of ['good', 'bad', 'none', 'good', 'bad']) await Promise.allSettled([registry.pull(name)]);
  await put('good/lambda_func.py', '# again');
  await registry.pull('good');
  expect(descriptorsOf(root)).toHaveLength(before.length + 1);
  await registry.close();
  expect(descriptorsOf(root)).toEqual(before);
});
