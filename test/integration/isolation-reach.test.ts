import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { expect, test } from 'vitest';
import { leavesNothing } from '../helpers/leftovers.ts';
import { attempt, look } from '../helpers/look.ts';
import { useWorker } from '../helpers/worker.ts';

leavesNothing();
const worker = useWorker(['look', 'attempt'], { network: 'none' });

const CLONE_FLAGS = [
  ['mnt', 0x20000],
  ['cgroup', 0x2000000],
  ['uts', 0x4000000],
  ['ipc', 0x8000000],
  ['user', 0x10000000],
  ['pid', 0x20000000],
  ['net', 0x40000000],
  ['time', 0x80],
] as const;

test('loopback is up, and there is no other interface', async () => {
  expect((await look(worker.current, ['interfaces'])).interfaces).toEqual(['lo']);
  expect(await attempt(worker.current, 'loopback')).toBe('hello');
});

test.each(['127.0.0.1', '::1'])('a server on the machine’s %s cannot be reached', async (host) => {
  const server = createServer().listen(0, host);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  expect(await attempt(worker.current, 'connect', { host, port })).toMatch(/^(ECONNREFUSED|EADDRNOTAVAIL)$/);
  server.close();
  await once(server, 'close');
});

test('an address elsewhere cannot be reached, and no name can be resolved', async () => {
  expect(await attempt(worker.current, 'connect', { host: '192.0.2.1', port: 80 })).toBe('ENETUNREACH');
  expect(await attempt(worker.current, 'resolve', { host: 'example.com' })).toMatch(/^gaierror/);
});

test('an abstract socket of another sandbox, or of the machine, cannot be reached', async () => {
  const name = `ol-test-${process.pid}`;
  await worker.current.cluster.addFixture('attempt', 'listener');
  expect(await worker.current.result('listener', { try: 'listen_abstract', name })).toBe('listening');
  expect(await worker.current.result('listener', { try: 'connect_abstract', name })).toBe('connected');
  expect(await attempt(worker.current, 'connect_abstract', { name })).toBe('ECONNREFUSED');
  const server = createServer().listen(`\0${name}-host`);
  await once(server, 'listening');
  expect(await attempt(worker.current, 'connect_abstract', { name: `${name}-host` })).toBe('ECONNREFUSED');
  server.close();
  await once(server, 'close');
});

test.each([
  'mount',
  'setns',
  'clone_user_namespace',
  'chroot',
  'set_hostname',
  'ptrace',
  'raw_socket',
])('%s is refused', async (what) => {
  expect(await attempt(worker.current, what)).toBe('EPERM');
});

test.each(CLONE_FLAGS)('a new %s namespace is refused', async (_name, flags) => {
  expect(await attempt(worker.current, 'unshare', { flags })).toBe('EPERM');
});

test.each([
  '/',
  '/usr',
  '/handler',
  '/packages',
  '/proc',
  '/tmp',
])('%s can be neither remounted nor unmounted', async (path) => {
  expect(await attempt(worker.current, 'remount_writable', { path })).toBe('EPERM');
  expect(await attempt(worker.current, 'unmount', { path })).toBe('EPERM');
});

test('no other uid can be taken, and the limit on cores cannot be raised', async () => {
  for (const uid of [0, 1, 65534])
    expect(await attempt(worker.current, 'set_uid', { uid })).toMatch(/^E(INVAL|PERM)$/);
  expect(await attempt(worker.current, 'raise_core_limit')).toBe('ValueError');
});

test('no process of the machine can be sent a signal, nor one of another sandbox', async () => {
  await look(worker.current, []);
  const { pid } = await worker.current.sandbox('look');
  for (const target of [process.pid, pid, 2]) {
    expect(await attempt(worker.current, 'kill', { pid: target })).toBe('ESRCH');
  }
  // All that it may send one to, itself left out.
  expect(await attempt(worker.current, 'kill', { pid: -1 })).toBe('ESRCH');
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
