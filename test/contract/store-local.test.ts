import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { createLocalRegistry } from '../../src/registry/local.ts';
import { LocalStore } from '../../src/registry/store/local-store.ts';
import { silentLog } from '../../src/telemetry/log.ts';
import { bundleOf, bundleOfHandler } from '../helpers/bundle.ts';
import { describeStoreContract } from './store.contract.ts';

describeStoreContract('local', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'ol-store-'));
  return {
    store: new LocalStore(dir),
    names: async () => (await readdir(dir)).sort(),
    dispose: () => rm(dir, { recursive: true }),
  };
});

async function setUp() {
  const root = await mkdtemp(join(tmpdir(), 'ol-store-'));
  onTestFinished(() => rm(root, { recursive: true }));
  const dir = join(root, 'registry');
  await mkdir(dir);
  const bundle = async (bytes: Buffer, name = 'b') => {
    await writeFile(join(root, name), bytes);
    return join(root, name);
  };
  return { root, dir, store: new LocalStore(dir), bundle };
}

test('a worker that pulls on and on while a function is replaced gets the one or the other, never half of it', async () => {
  const { root, dir, store, bundle } = await setUp();
  const files = (text: string) =>
    Object.fromEntries(
      ['lambda_func.py', ...Array.from({ length: 30 }, (_, at) => `m${at}.py`)].map((name) => [name, text]),
    );
  const bundles = [await bundle(bundleOf(files('# one')), '1'), await bundle(bundleOf(files('# two')), '2')];
  const versions: string[] = [];
  for (const file of bundles) versions.push(await store.put('f', file));
  const registry = await createLocalRegistry({
    registryDir: dir,
    codeDir: join(root, 'code'),
    log: silentLog(),
    cacheMaxBytes: 2 ** 30,
  });
  onTestFinished(() => registry.close());
  let isDone = false;
  // Who has none yet may be told that it is being written; who has one goes on with that.
  const seen = new Set([(await registry.pull('f')).version]);
  const pulling = (async () => {
    while (!isDone) {
      seen.add((await registry.pull('f')).version);
      await new Promise((resolve) => setImmediate(resolve));
    }
  })();
  for (let at = 0; at < 10; at++) await store.put('f', bundles[at % 2] ?? '');
  isDone = true;
  await pulling;
  expect([...seen].filter((version) => !versions.includes(version))).toEqual([]);
  expect((await registry.pull('f')).version).toBe(versions[1]);
});

const STORE = new URL('../../src/registry/store/local-store.ts', import.meta.url).href;

test('what a killed put leaves does not count, and goes with the next change', async () => {
  const { dir, store, bundle } = await setUp();
  const one = await bundle(bundleOf({ 'lambda_func.py': '# one', 'z.bin': 'z'.repeat(100_000) }), 'one');
  const two = await bundle(bundleOf({ 'lambda_func.py': '# two', 'z.bin': 'z'.repeat(100_000) }), 'two');
  const versions = [await store.put('f', one), await store.put('f', two)];
  const code = `
    import { LocalStore } from ${JSON.stringify(STORE)};
    const store = new LocalStore(${JSON.stringify(dir)});
    for (;;) for (const file of ${JSON.stringify([one, two])}) await store.put('f', file);
  `;
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: 'inherit' });
  const leftovers = async () => (await readdir(dir)).filter((name) => name.startsWith('.put-'));
  await vi.waitUntil(async () => (await leftovers()).length > 0, { timeout: 60_000, interval: 0 });
  child.kill('SIGKILL');
  await once(child, 'exit');
  await mkdir(join(dir, '.put-left/over'), { recursive: true });
  const [listed, ...more] = await store.list();
  expect(more).toEqual([]);
  expect(versions).toContain(listed?.version);
  await store.put('g', one);
  expect((await readdir(dir)).sort()).toEqual(['f', 'g']);
});

test('what others keep in the directory is left alone', async () => {
  const { dir, store, bundle } = await setUp();
  await mkdir(join(dir, '.s3/objects'), { recursive: true });
  await mkdir(join(dir, 'no-function'));
  await writeFile(join(dir, 'a-file'), '');
  await symlink('nowhere', join(dir, 'broken'));
  await store.put('f', await bundle(bundleOfHandler('#')));
  expect((await store.list()).map(({ name }) => name)).toEqual(['f']);
  await store.remove('f');
  expect((await readdir(dir)).sort()).toEqual(['.s3', 'a-file', 'broken', 'no-function']);
});

test('a function that is a link to a directory is replaced, and what it leads to stays', async () => {
  const { root, dir, store, bundle } = await setUp();
  await mkdir(join(root, 'mine'));
  await writeFile(join(root, 'mine', 'lambda_func.py'), '# mine');
  await symlink(join(root, 'mine'), join(dir, 'f'));
  expect(await store.list()).toMatchObject([{ name: 'f', bytes: 6 }]);
  await store.put('f', await bundle(bundleOfHandler('# new')));
  expect(await readFile(join(dir, 'f', 'lambda_func.py'), 'utf8')).toBe('# new');
  expect(await readFile(join(root, 'mine', 'lambda_func.py'), 'utf8')).toBe('# mine');
});

test('code that a worker refuses is listed with the reason', async () => {
  const { dir, store } = await setUp();
  await mkdir(join(dir, 'f'));
  await writeFile(join(dir, 'f', 'lambda_func.py'), '#');
  await symlink('/etc/passwd', join(dir, 'f', 'evil'));
  expect(await store.list()).toMatchObject([
    { name: 'f', version: null, problem: expect.stringContaining('evil is an absolute link') },
  ]);
});
