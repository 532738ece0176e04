import { closeSync, openSync, writeSync } from 'node:fs';
import {
  cp,
  link,
  mkdir,
  readdir,
  rename,
  rm,
  symlink,
  truncate,
  unlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { startWriter } from '../linux/writer.ts';
import { setUp } from './setup.ts';

test('each of many edits in a row is in the pull right after it', async () => {
  const { put, pulled } = await setUp();
  for (let count = 0; count < 50; count += 1) {
    await put('f/lambda_func.py', `# ${String(count).padStart(4)}`);
    expect(await pulled('f')).toBe(`# ${String(count).padStart(4)}`);
  }
});

test('an edit that keeps size and time of the file is seen', async () => {
  const { at, put, pulled } = await setUp();
  const then = new Date('2020-01-01');
  await put('f/lambda_func.py', '# a');
  await utimes(at('f/lambda_func.py'), then, then);
  expect(await pulled('f')).toBe('# a');
  await put('f/lambda_func.py', '# b');
  await utimes(at('f/lambda_func.py'), then, then);
  expect(await pulled('f')).toBe('# b');
});

test('edits in directories that came later are seen', async () => {
  const { put, pulled } = await setUp();
  await put('f/lambda_func.py', '#');
  await pulled('f');
  await put('f/a/b/data', 'one');
  expect(await pulled('f', 'a/b/data')).toBe('one');
  await put('f/a/b/data', 'two');
  expect(await pulled('f', 'a/b/data')).toBe('two');
});

test('a file that is cut off, removed or moved changes the version', async () => {
  const { at, put, registry } = await setUp();
  await put('f/lambda_func.py', '#');
  await put('f/data', 'content');
  const versions = new Set([(await registry.pull('f')).version]);
  await truncate(at('f/data'), 3);
  versions.add((await registry.pull('f')).version);
  await rename(at('f/data'), at('f/moved'));
  versions.add((await registry.pull('f')).version);
  await unlink(at('f/moved'));
  versions.add((await registry.pull('f')).version);
  expect(versions.size).toBe(4);
});

test('a write through another name of the file, outside the function, is seen', async () => {
  const { root, at, put, pulled } = await setUp();
  await put('f/lambda_func.py', '# a');
  await link(at('f/lambda_func.py'), join(root, 'elsewhere'));
  expect(await pulled('f')).toBe('# a');
  await writeFile(join(root, 'elsewhere'), '# b');
  expect(await pulled('f')).toBe('# b');
});

test('the way vim saves (old file renamed, new one written) is an edit, and its swap file is not code', async () => {
  const { at, put, pulled, registry } = await setUp();
  await put('f/lambda_func.py', '# a');
  const swap = await startWriter('half', at('f/.lambda_func.py.swp'), 'b0VIM', '');
  const { version, dir } = await registry.pull('f');
  expect(await readdir(dir)).toEqual(['lambda_func.py']);
  await rename(at('f/lambda_func.py'), at('f/lambda_func.py~'));
  await put('f/lambda_func.py', '# b');
  await unlink(at('f/lambda_func.py~'));
  expect(await pulled('f')).toBe('# b');
  await swap.finish();
  expect((await registry.pull('f')).version).not.toBe(version);
});

test('a pull in the gap between the old file and the new one waits for the new one', async () => {
  const { at, put, pulled } = await setUp();
  await put('f/lambda_func.py', '# a');
  await pulled('f');
  await rename(at('f/lambda_func.py'), at('f/lambda_func.py~'));
  const answer = pulled('f');
  await sleep(5); // it has looked by now, and will not have given up
  await put('f/lambda_func.py', '# b');
  expect(await answer).toBe('# b');
});

test('a directory that another one takes the place of by rename is an edit', async () => {
  const { at, put, pulled } = await setUp();
  await put('f/lambda_func.py', '# a');
  await put('next/lambda_func.py', '# b');
  expect(await pulled('f')).toBe('# a');
  await rename(at('f'), at('before'));
  await rename(at('next'), at('f'));
  expect(await pulled('f')).toBe('# b');
});

test('`cp -r` over a function, and files that rsync renames into place, are edits', async () => {
  const { root, at, put, pulled } = await setUp();
  await put('f/lambda_func.py', '# a');
  await pulled('f');
  await mkdir(join(root, 'new'));
  await writeFile(join(root, 'new/lambda_func.py'), '# b');
  await cp(join(root, 'new'), at('f'), { recursive: true });
  expect(await pulled('f')).toBe('# b');
  await put('f/.lambda_func.py.Ab12Cd', '# c');
  await rename(at('f/.lambda_func.py.Ab12Cd'), at('f/lambda_func.py'));
  expect(await pulled('f')).toBe('# c');
});

test('what an interpreter or git leaves beside the code is neither copied nor an edit', async () => {
  const { at, put, registry } = await setUp();
  await put('f/lambda_func.py', '#');
  const before = await registry.pull('f');
  await put('f/__pycache__/lambda_func.cpython-311.pyc', 'x');
  await put('f/.git/HEAD', 'x');
  await put('f/old.pyc', 'x');
  expect(registry.pull('f')).toBe(before);
  await put('f/data', 'x');
  const after = await registry.pull('f');
  expect((await readdir(after.dir)).sort()).toEqual(['data', 'lambda_func.py']);
  await rm(at('f/__pycache__'), { recursive: true });
  expect(registry.pull('f')).toBe(after);
});

test('a function that is a link to a directory elsewhere works, and edits there are seen', async () => {
  const { root, at, pulled } = await setUp();
  await mkdir(join(root, 'project'));
  await writeFile(join(root, 'project/lambda_func.py'), '# a');
  await symlink(join(root, 'project'), at('f'));
  expect(await pulled('f')).toBe('# a');
  await writeFile(join(root, 'project/lambda_func.py'), '# b');
  expect(await pulled('f')).toBe('# b');
});

test('two functions that are links to one directory both see an edit', async () => {
  const { root, at, pulled } = await setUp();
  await mkdir(join(root, 'project'));
  await writeFile(join(root, 'project/lambda_func.py'), '# a');
  for (const name of ['f', 'g']) await symlink(join(root, 'project'), at(name));
  expect([await pulled('f'), await pulled('g')]).toEqual(['# a', '# a']);
  await rm(at('g'));
  await expect(pulled('g')).rejects.toMatchObject({ code: 'ERR_NO_FUNCTION' });
  await writeFile(join(root, 'project/lambda_func.py'), '# b');
  expect(await pulled('f')).toBe('# b');
});

test('a link further on that is turned to another release is an edit', async () => {
  const { root, at, pulled } = await setUp();
  for (const release of ['1', '2']) {
    await mkdir(join(root, 'releases', release), { recursive: true });
    await writeFile(join(root, 'releases', release, 'lambda_func.py'), `# ${release}`);
  }
  await symlink('releases/1', join(root, 'current'));
  await symlink(join(root, 'current'), at('f'));
  expect(await pulled('f')).toBe('# 1');
  await symlink('releases/2', join(root, 'current.new'));
  await rename(join(root, 'current.new'), join(root, 'current'));
  expect(await pulled('f')).toBe('# 2');
});

test('the registry directory may go, and come back', async () => {
  const { registryDir, put, pulled } = await setUp();
  await put('f/lambda_func.py', '# a');
  await pulled('f');
  await rename(registryDir, `${registryDir}.away`);
  await expect(pulled('f')).rejects.toThrow(`write its code to ${registryDir}/f/lambda_func.py`);
  await rename(`${registryDir}.away`, registryDir);
  expect(await pulled('f')).toBe('# a');
});

test('an edit whose event the kernel had no room for is seen', async () => {
  const { at, put, pulled, registry } = await setUp();
  for (const name of ['f', 'noisy']) await put(`${name}/lambda_func.py`, '# a');
  await put('noisy/one', '');
  await put('noisy/two', '');
  for (const name of ['f', 'noisy']) await pulled(name);
  // Another function fills the queue, so that nothing of `f` is in it. Two files in turn: equal events are merged.
  const files = ['one', 'two'].map((name) => openSync(at('noisy', name), 'a'));
  for (let count = 0; count < 10_000; count += 1) for (const file of files) writeSync(file, 'x');
  await put('f/lambda_func.py', '# b');
  for (const file of files) closeSync(file);
  expect(await pulled('f')).toBe('# b');
  expect(registry.pull('f')).not.toBeInstanceOf(Promise);
});

test('a directory that was moved out of the function is not watched any more', async () => {
  const { root, at, put, registry } = await setUp();
  await put('f/lambda_func.py', '#');
  await put('f/data/x', 'x');
  await registry.pull('f');
  await rename(at('f/data'), join(root, 'moved'));
  const code = await registry.pull('f');
  await writeFile(join(root, 'moved/x'), 'y');
  expect(registry.pull('f')).toBe(code);
});
