import { expect, test } from 'vitest';
import { leavesNothing } from '../helpers/leftovers.ts';
import { attempt, look } from '../helpers/look.ts';
import { useWorker } from '../helpers/worker.ts';

leavesNothing();
const worker = useWorker(['look', 'attempt'], { network: 'none' });

test('loopback is up, and there is no other interface', async () => {
  expect((await look(worker.current, ['interfaces'])).interfaces).toEqual(['lo']);
  expect(await attempt(worker.current, 'loopback')).toBe('hello');
});

test('an address elsewhere cannot be reached, and no name can be resolved', async () => {
  expect(await attempt(worker.current, 'connect', { host: '192.0.2.1', port: 80 })).toBe('ENETUNREACH');
  expect(await attempt(worker.current, 'resolve', { host: 'example.com' })).toMatch(/^gaierror/);
});

test('no other uid can be taken, and the limit on cores cannot be raised', async () => {
  for (const uid of [0, 1, 65534])
    expect(await attempt(worker.current, 'set_uid', { uid })).toMatch(/^E(INVAL|PERM)$/);
  expect(await attempt(worker.current, 'raise_core_limit')).toBe('ValueError');
});

test.each([
  'yaml',
  'apt',
  'pip',
  'setuptools',
  'pkg_resources',
  'cryptography',
])('%s, which a distribution may have in dist-packages, cannot be imported', async (name) => {
  expect(await attempt(worker.current, 'import_module', { name })).toBe('ModuleNotFoundError');
});

test.each([
  'baseline',
  'control',
  'kernel',
  'sandbox',
  'server',
  'zygote',
])('our own module %s cannot be imported', async (name) => {
  expect(await attempt(worker.current, 'import_module', { name })).toBe('ModuleNotFoundError');
});

test.each([
  'sqlite3',
  'ssl',
  'asyncio',
  'ctypes',
  'decimal',
  'multiprocessing',
  'zoneinfo',
])('%s of the standard library can be imported', async (name) => {
  expect(await attempt(worker.current, 'import_module', { name })).toBe(name);
});

test('the main module holds nothing of ours', async () => {
  expect((await look(worker.current, ['main'])).main).toEqual([]);
});
