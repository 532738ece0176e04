import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { clusterPaths } from '../../../src/cluster/paths.ts';
import { CopyUsers } from '../../../src/packages/copy-users.ts';
import { DirectoryUsers } from '../../../src/packages/directory-users.ts';
import { listPackages, prunePackages } from '../../../src/packages/inventory.ts';
import { makeLock } from '../../../src/packages/lock.ts';
import { keyOf } from '../../../src/packages/packages.ts';
import { parsePackagesFile } from '../../../src/packages/requirements.ts';
import { PackageStore } from '../../../src/packages/store.ts';
import { joined, type PackageUser } from '../../../src/packages/users.ts';

const LONG_AGO = new Date(Date.now() - 3_600_000);

let dir: string;
let store: PackageStore;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'ol-prune-'));
  store = await PackageStore.open(join(dir, 'packages'));
});
afterEach(() => rm(dir, { recursive: true }));

const packageDir = (name: string) => `${name}-1.0-0123456789abcdef`;
const lockedAs = (name: string) => ({ name, version: '1.0', dir: packageDir(name) });
const keyFor = (name: string) => keyOf(parsePackagesFile(name, 'test'), 'py');
const lockFile = (name: string, kind: string) => join(store.dir, '.locks', `${keyFor(name)}.${kind}`);

/** Installs a package, for whoever has its name in a packages.txt, an hour ago. */
async function install(name: string): Promise<void> {
  await mkdir(join(store.dir, packageDir(name)));
  await writeFile(join(store.dir, packageDir(name), `${name}.py`), '');
  await store.writeResolved(keyFor(name), [{ ...lockedAs(name), hashes: [] }]);
  await store.writeLock(keyFor(name), makeLock([lockedAs(name)], [name]));
  for (const kind of ['resolved', 'json']) await utimes(lockFile(name, kind), LONG_AGO, LONG_AGO);
}

const user = (name: string, text: string): PackageUser => ({
  name,
  copyOf: null,
  packagesFile: Buffer.from(text),
  problem: null,
});

/** `meanwhile` happens while it is asked who uses what. */
async function prune(functions: readonly PackageUser[], meanwhile: () => Promise<unknown> = async () => {}) {
  const source = {
    async list() {
      await meanwhile();
      return functions;
    },
  };
  const users = { functions: source, startupPkgs: ['startup'] };
  return (await prunePackages(store, users, { isDry: false, waitMs: 1000 })).map(({ name }) => name);
}

const installed = async () => (await store.packages()).map((one) => one.split('-')[0]);

test('what neither a function nor startup_pkgs has goes, with its lock', async () => {
  for (const name of ['startup', 'unused', 'used']) await install(name);
  expect(await prune([user('f', 'used\n')])).toEqual(['unused']);
  expect(await installed()).toEqual(['startup', 'used']);
  expect(
    (await readdir(join(store.dir, '.locks'))).filter((name) => name.startsWith(keyFor('unused'))),
  ).toEqual([]);
  expect(store.installed(keyFor('used'))).not.toBeNull();
});

test('one of whom it is not known keeps everything', async () => {
  await install('unused');
  const unknown = { ...user('f', ''), packagesFile: null, problem: 'it is not there' };
  await expect(prune([user('a', 'x'), unknown, { ...unknown, name: 'g' }])).rejects.toMatchObject({
    code: 'ERR_USERS_UNKNOWN',
    message: "no package is removed, as it is not known which ones 'f' (and 1 more) uses: it is not there",
  });
  expect(store.installed(keyFor('unused'))).not.toBeNull();
});

test('a packages.txt that is refused asks for nothing', async () => {
  await install('unused');
  expect(await prune([user('f', '--index-url x\n'), user('g', 'unused\n'.repeat(20_000))])).toEqual([
    'unused',
  ]);
});

test('what is locked while it is asked stays, also where an older resolution says what it means', async () => {
  await install('again');
  expect(
    await prune([], () => store.writeLock(keyFor('again'), makeLock([lockedAs('again')], ['again']))),
  ).toEqual([]);
  expect(store.installed(keyFor('again'))).not.toBeNull();
});

test('what is installed while it is asked stays', async () => {
  expect(await prune([], () => install('new'))).toEqual([]);
  expect(await installed()).toEqual(['new']);
});

test('a package that is locked by another one at the last moment is there again', async () => {
  await install('unused');
  const there: string[][] = [];
  const isUnused = async () => {
    there.push(await store.packages());
    return there.length === 1;
  };
  expect(await store.removeIf(packageDir('unused'), isUnused)).toBe(false);
  expect(there).toEqual([[packageDir('unused')], []]);
  expect(await readdir(store.dir)).toEqual(['.locks', packageDir('unused')]);
  const failing = async () => {
    if (there.push([]) === 4) throw new Error('no');
    return true;
  };
  await expect(store.removeIf(packageDir('unused'), failing)).rejects.toThrow('no');
  expect(await readdir(store.dir)).toEqual(['.locks', packageDir('unused')]);
});

test('who waited for a package that is removed, and who comes later, still have it one after the other', async () => {
  await install('unused');
  const dir = packageDir('unused');
  const inside: string[] = [];
  const enter = (name: string, end: Promise<void>) =>
    store.exclusively([dir], 30_000, async () => {
      inside.push(name);
      await end;
      inside.push(`${name} ends`);
    });
  const [pruning, first, second] = [1, 2, 3].map(() => Promise.withResolvers<void>());
  const pruner = store.exclusively([dir], 1000, async () => {
    await pruning?.promise;
    await store.removeIf(dir, async () => true);
  });
  await sleep(50); // it has it
  const waits = enter('first', first?.promise ?? Promise.resolve());
  await sleep(50); // it has the file that will be removed
  pruning?.resolve();
  await pruner;
  const comes = enter('second', second?.promise ?? Promise.resolve());
  await sleep(200);
  first?.resolve();
  second?.resolve();
  await Promise.all([waits, comes]);
  const [one, other] = inside[0] === 'first' ? ['first', 'second'] : ['second', 'first'];
  expect(inside).toEqual([one, `${one} ends`, other, `${other} ends`]);
});

test('copies that workers have are users beside their function, and what is half made is none', async () => {
  const paths = clusterPaths(join(dir, 'c'));
  const write = async (path: string, text: string) => {
    await mkdir(join(paths.workers, path), { recursive: true });
    await writeFile(join(paths.workers, path, 'packages.txt'), text);
  };
  await write('worker-0/code/f/0001', 'used\n');
  await write('worker-0/code/f/0002', 'older\n');
  await write('worker-12/code/g/0003', 'older\n');
  await write('worker-0/code/f/.tmp-x', 'unused\n');
  await write('worker-0/code/f/.gone-x', 'unused\n');
  await write('other/code/f/0004', 'unused\n');
  await writeFile(join(paths.workers, 'worker-0/code/.file-1'), 'a bundle');
  for (const name of ['older', 'unused', 'used']) await install(name);
  const functions = await joined([{ list: async () => [user('f', 'used\n')] }, new CopyUsers(paths)]).list();
  const found = await listPackages(store, { functions, startupPkgs: [] });
  expect(found.map(({ name, usedBy }) => [name, usedBy])).toEqual([
    ['older', ['f@worker-0', 'g@worker-12']],
    ['unused', []],
    ['used', ['f']],
  ]);
  expect(await prune(functions)).toEqual(['unused']);
});

test('a directory has its functions, and one whose packages.txt is no file may use anything', async () => {
  const registry = join(dir, 'registry');
  for (const name of ['asks', 'odd', 'plain', '.put-x'])
    await mkdir(join(registry, name), { recursive: true });
  await writeFile(join(registry, 'asks', 'packages.txt'), 'used\n');
  await writeFile(join(registry, '.put-x', 'packages.txt'), 'used\n');
  await mkdir(join(registry, 'odd', 'packages.txt'));
  await writeFile(join(registry, 'README'), 'no function');
  const found = await new DirectoryUsers(registry).list();
  expect(
    found.map(({ name, packagesFile, problem }) => [name, packagesFile?.toString() ?? null, problem]),
  ).toEqual([
    ['README', null, null],
    ['asks', 'used\n', null],
    ['odd', null, `${join(registry, 'odd', 'packages.txt')} is no file: make it one, or remove it`],
    ['plain', null, null],
  ]);
});
