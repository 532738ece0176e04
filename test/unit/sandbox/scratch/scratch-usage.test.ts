import {
  closeSync,
  ftruncateSync,
  linkSync,
  mkdirSync,
  openSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { measureHeld, measureTree } from '../../../../src/sandbox/scratch/scratch-usage.ts';
import { leavesNothing } from '../../../helpers/leftovers.ts';
import { makeTestDir, removeEmptyRoot } from '../../../helpers/test-root.ts';

leavesNothing();

const FAR = { bytes: 2 ** 40, files: 2 ** 40 };
const KB = 1024;
let dir: string;
beforeEach(async () => {
  dir = await makeTestDir();
});
afterEach(async () => {
  rmSync(dir, { recursive: true });
  await removeEmptyRoot();
});

const write = (name: string, kb: number) => writeFileSync(join(dir, name), Buffer.alloc(kb * KB, 'x'));
const measure = (limits = FAR) => measureTree(dir, limits);

test('an empty directory has nothing', async () => {
  expect(await measure()).toMatchObject({ bytes: 0, files: 0 });
});

test('files and directories count, at any depth, with what they take on the disk', async () => {
  write('a', 100);
  mkdirSync(join(dir, 'b/c/d'), { recursive: true });
  write('b/c/d/e', 200);
  const { bytes, files } = await measure();
  expect(files).toBe(5);
  const directories = ['b', 'b/c', 'b/c/d'].reduce(
    (sum, name) => sum + statSync(join(dir, name)).blocks * 512,
    0,
  );
  expect(bytes).toBe(300 * KB + directories);
});

test('names that are no text count', async () => {
  const name = Buffer.concat([Buffer.from(`${dir}/`), Buffer.from([0xff, 0xfe])]);
  mkdirSync(name);
  writeFileSync(Buffer.concat([name, Buffer.from('/x')]), 'x');
  expect((await measure()).files).toBe(2);
});

test('links count as files and are not followed', async () => {
  for (const [at, target] of ['/usr', '/', '.', '..', dir].entries()) symlinkSync(target, join(dir, `${at}`));
  const { bytes, files } = await measure();
  expect(files).toBe(5);
  expect(bytes).toBeLessThan(100 * KB);
});

test('what has several names takes its space once', async () => {
  write('a', 100);
  for (let at = 0; at < 9; at++) linkSync(join(dir, 'a'), join(dir, `${at}`));
  expect(await measure()).toMatchObject({ files: 10, bytes: expect.closeTo(100 * KB, 3) });
});

test('holes take no space', async () => {
  const fd = openSync(join(dir, 'hole'), 'w');
  ftruncateSync(fd, 1024 * 1024 * 1024);
  closeSync(fd);
  expect((await measure()).bytes).toBe(0);
});

test('counting stops soon after a limit', async () => {
  for (let at = 0; at < 3000; at++) write(`${at}`, 0);
  expect((await measure()).files).toBe(3000);
  const { files } = await measure({ bytes: 2 ** 40, files: 100 });
  expect(files).toBeGreaterThan(100);
  expect(files).toBeLessThan(500);
});

test('directories deeper than a path can say are too many files', async () => {
  const home = process.cwd();
  try {
    process.chdir(dir);
    for (let depth = 0; depth < 30; depth++) {
      mkdirSync('x'.repeat(200));
      process.chdir('x'.repeat(200));
    }
  } finally {
    process.chdir(home);
  }
  expect((await measure({ bytes: 2 ** 40, files: 1000 })).files).toBe(1001);
});

test('files that were removed and are still open count, once each', async () => {
  const [first, second] = [openSync(join(dir, 'open'), 'w'), openSync(join(dir, 'open'), 'r')];
  write('open', 300);
  unlinkSync(join(dir, 'open'));
  write('named', 1);
  try {
    expect(await measureHeld(dir, process.pid, FAR)).toMatchObject({ bytes: 300 * KB, files: 1 });
    expect(await measure()).toMatchObject({ bytes: 4 * KB, files: 1 });
  } finally {
    closeSync(first);
    closeSync(second);
  }
  expect(await measureHeld(dir, process.pid, FAR)).toMatchObject({ bytes: 0, files: 0 });
});

test('looking for them is done a little at a time, and not gone on with when it is over', async () => {
  write('open', 4);
  const fds = Array.from({ length: 320 }, () => openSync(join(dir, 'open'), 'r'));
  unlinkSync(join(dir, 'open'));
  let turns = 0;
  const others = setInterval(() => turns++, 1);
  try {
    expect(await measureHeld(dir, process.pid, FAR)).toMatchObject({ files: 1 });
    expect(turns).toBeGreaterThanOrEqual(8);
    const seen = turns;
    expect(await measureHeld(dir, process.pid, FAR, () => turns >= seen)).toMatchObject({ files: 0 });
  } finally {
    clearInterval(others);
    for (const fd of fds) closeSync(fd);
  }
});

test('whether a name has come or gone is told from the tree', async () => {
  mkdirSync(join(dir, 'a/b'), { recursive: true });
  const before = await measure();
  await new Promise((resolve) => setTimeout(resolve, 50)); // the clock of files goes in steps
  write('a/b/c', 4);
  const after = await measure();
  expect(after.changed).toBeGreaterThan(before.changed);
  await new Promise((resolve) => setTimeout(resolve, 50));
  const fd = openSync(join(dir, 'a/b/c'), 'r');
  unlinkSync(join(dir, 'a/b/c'));
  try {
    expect((await measure()).changed).toBeGreaterThan(after.changed);
  } finally {
    closeSync(fd);
  }
});

test('a process that is gone holds nothing', async () => {
  expect(await measureHeld(dir, 2 ** 22 + 1, FAR)).toMatchObject({ bytes: 0, files: 0 });
});
