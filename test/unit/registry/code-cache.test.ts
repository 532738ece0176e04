import { existsSync, readdirSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished, test as plain, vi } from 'vitest';
import { CodeCache, type Copy } from '../../../src/registry/code-cache.ts';
import { silentLog } from '../../../src/telemetry/log.ts';

const MB = 2 ** 20;

interface Context {
  readonly dir: string;
  open(kept?: readonly Copy[], whenFull?: () => void): Promise<CodeCache>;
}

const test = plain.extend<{ context: Context }>({
  // biome-ignore lint/correctness/noEmptyPattern: vitest reads the pattern
  context: async ({}, use) => {
    const dir = await mkdtemp(join(tmpdir(), 'ol-code-cache-'));
    onTestFinished(async () => await rm(dir, { recursive: true }));
    await use({
      dir,
      open: (kept = [], whenFull = () => {}) =>
        CodeCache.open({ dir, maxBytes: 3 * MB, whenFull, log: silentLog() }, kept),
    });
  },
});

const copyOf = (name: string, mb = 1, digit = '0'): Copy => ({
  name,
  version: digit.repeat(64),
  bytes: mb * MB,
});

/** Takes a version in as the newest; returns it and what lets go of it. */
async function adopt(cache: CodeCache, copy: Copy) {
  const staged = await cache.stage(copy.name);
  await writeFile(join(staged, 'lambda_func.py'), copy.name);
  const held = await cache.adopt(copy, staged);
  cache.setNewest(copy.name, held.code);
  return held;
}

test('beyond the bound, what was let go of longest ago goes', async ({ context, expect }) => {
  const cache = await context.open();
  const evicted: string[] = [];
  cache.whenEvicted((name) => evicted.push(name));
  const held = new Map<string, Awaited<ReturnType<typeof adopt>>>();
  for (const name of ['a', 'b', 'c']) held.set(name, await adopt(cache, copyOf(name)));
  for (const name of ['b', 'a', 'c']) held.get(name)?.release();
  const { code } = await adopt(cache, copyOf('d', 2));
  expect(evicted).toEqual(['b', 'a']);
  await vi.waitFor(() => expect(existsSync(held.get('a')?.code.dir ?? '')).toBe(false));
  expect([existsSync(held.get('c')?.code.dir ?? ''), existsSync(code.dir)]).toEqual([true, true]);
  await cache.close();
});

test('what is held stays, and what has no room beside it is refused', async ({ context, expect }) => {
  let asked = 0;
  const cache = await context.open([], () => asked++);
  const [one, two] = [await adopt(cache, copyOf('a')), await adopt(cache, copyOf('b', 2))];
  one.release();
  const staged = await cache.stage('c');
  const message = /no room for the code of 'c' \(2 MB\).*code_cache_mb \(3 MB\)/;
  await expect(cache.adopt(copyOf('c', 2), staged)).rejects.toThrow(message);
  expect(asked).toBe(1);
  two.release();
  await expect(cache.adopt(copyOf('c', 2), staged)).resolves.toMatchObject({ code: { name: 'c' } });
  await cache.close();
});

test('a version that is larger than the bound is refused', async ({ context, expect }) => {
  const cache = await context.open();
  const staged = await cache.stage('a');
  await expect(cache.adopt(copyOf('a', 4), staged)).rejects.toMatchObject({
    code: 'ERR_CODE_CACHE_FULL',
    status: 503,
  });
  await cache.close();
});

test('an evicted version that somebody retained in time stays until it is released', async ({
  context,
  expect,
}) => {
  const cache = await context.open();
  const { code, release } = await adopt(cache, copyOf('a', 3));
  release();
  const staged = await cache.stage('b');
  let letGo = () => {};
  cache.whenEvicted(() => {
    letGo = cache.retain(code);
  });
  await cache.adopt(copyOf('b', 1), staged);
  await cache.close();
  expect(existsSync(code.dir)).toBe(true);
  letGo();
  await cache.close();
  expect(existsSync(code.dir)).toBe(false);
});

test('a start keeps no more than there is room for', async ({ context, expect }) => {
  const copies = [copyOf('a', 2), copyOf('b', 2), copyOf('c', 1)];
  for (const { name, version } of copies)
    await mkdir(join(context.dir, name, version.slice(0, 16)), { recursive: true });
  const cache = await context.open(copies);
  expect(readdirSync(context.dir).sort()).toEqual(['a', 'c']);
  expect(cache.newest('b')).toBeNull();
  await cache.close();
});

test('a start removes everything but the copies that are to be kept', async ({ context, expect }) => {
  const [kept, old, other] = [copyOf('a', 1, '1'), copyOf('a', 1, '2'), copyOf('b')];
  for (const { name, version } of [kept, old, other])
    await mkdir(join(context.dir, name, version.slice(0, 16)), { recursive: true });
  await mkdir(join(context.dir, 'a', '.tmp-xyz'));
  await writeFile(join(context.dir, '.file-1'), 'half');
  const cache = await context.open([kept, copyOf('gone')]);
  expect(readdirSync(context.dir)).toEqual(['a']);
  expect(readdirSync(join(context.dir, 'a'))).toEqual(['1'.repeat(16)]);
  expect(cache.newest('a')).toMatchObject({ version: kept.version });
  expect(cache.newest('gone')).toBeNull();
  await cache.close();
});

test('a function without a version has no directory, and staging one while it goes is no trouble', async ({
  context,
  expect,
}) => {
  const cache = await context.open();
  const { release } = await adopt(cache, copyOf('a'));
  cache.setNewest('a', null);
  release();
  await cache.close();
  expect(readdirSync(context.dir)).toEqual([]);
  await cache.discard('b', await cache.stage('b'));
  expect(readdirSync(context.dir)).toEqual([]);
  const again = async () => {
    for (let round = 0; round < 50; round++) await cache.discard('c', await cache.stage('c'));
  };
  await Promise.all(Array.from({ length: 8 }, again));
  await cache.close();
  expect(readdirSync(context.dir)).toEqual([]);
});
