import { expect, test } from 'vitest';
import { leavesNothing } from '../helpers/leftovers.ts';
import { attempt, look } from '../helpers/look.ts';
import { useWorker } from '../helpers/worker.ts';

leavesNothing();
const worker = useWorker(['look', 'attempt'], { tmp_max_mb: 2 });

test.each([
  '/new',
  '/etc/passwd',
  '/usr/new',
  '/bin/new',
  '/handler/lambda_func.py',
  '/handler/new',
  '/packages/new',
  '/dev/new',
])('%s cannot be written', async (path) => {
  expect(await attempt(worker.current, 'write', { path })).toBe('EROFS');
});

test('every mount is nosuid, and all but /host, /tmp and /proc are read-only', async () => {
  const { mounts } = await look(worker.current, ['mounts']);
  const writable = Object.keys(mounts).filter((path) => mounts[path]?.options.includes('rw'));
  expect(writable.sort()).toEqual(['/host', '/proc', '/tmp']);
  expect(Object.keys(mounts).filter((path) => !mounts[path]?.options.includes('nosuid'))).toEqual([]);
  for (const path of ['/', '/usr', '/handler', '/packages']) {
    expect(mounts[path]?.options).toEqual(expect.arrayContaining(['ro', 'nosuid', 'nodev']));
  }
});

test('/host and /tmp are writable, nosuid and nodev', async () => {
  const { mounts } = await look(worker.current, ['mounts']);
  for (const path of ['/host', '/tmp']) {
    expect(mounts[path]?.options).toEqual(expect.arrayContaining(['rw', 'nosuid', 'nodev']));
    expect(await attempt(worker.current, 'write', { path: `${path}/new` })).toBe('written');
  }
  expect(mounts['/tmp']?.type).toBe('tmpfs');
});

test('/tmp is full when it holds tmp_max_mb', async () => {
  const [error, written] = (await attempt(worker.current, 'fill', { path: '/tmp/full' })) as [string, number];
  expect(error).toBe('ENOSPC');
  expect(written).toBeLessThanOrEqual(2 * 1024 * 1024);
  expect(written).toBeGreaterThan(1024 * 1024);
});

test('/proc is the sandbox’s own, and shows no process of the machine', async () => {
  const { mounts, processes } = await look(worker.current, ['mounts', 'processes']);
  expect(mounts['/proc']).toMatchObject({
    type: 'proc',
    options: expect.arrayContaining(['nosuid', 'nodev', 'noexec']),
  });
  expect(processes).toEqual([1]);
});

test.each([
  'interrupts',
  'kallsyms',
  'kcore',
  'keys',
  'kmsg',
  'latency_stats',
  'sched_debug',
  'timer_list',
  'timer_stats',
])('/proc/%s tells nothing and cannot be written', async (name) => {
  const path = `/proc/${name}`;
  expect(['', 'ENOENT']).toContain(await attempt(worker.current, 'read', { path }));
  expect(['EROFS', 'EACCES', 'ENOENT', 'written']).toContain(
    await attempt(worker.current, 'write', { path }),
  );
  // What was written went to /dev/null.
  expect(['', 'ENOENT']).toContain(await attempt(worker.current, 'read', { path }));
});

test.each(['acpi', 'asound', 'scsi'])('/proc/%s is empty or not there', async (name) => {
  const names = await attempt(worker.current, 'list_directory', { path: `/proc/${name}` });
  expect([[], 'ENOENT']).toContainEqual(names);
});

test('/dev holds five devices and five links', async () => {
  expect((await look(worker.current, ['dev'])).dev).toEqual({
    null: '1:3',
    zero: '1:5',
    full: '1:7',
    random: '1:8',
    urandom: '1:9',
    fd: '/proc/self/fd',
    stdin: '/proc/self/fd/0',
    stdout: '/proc/self/fd/1',
    stderr: '/proc/self/fd/2',
    shm: '/tmp',
  });
});

test('of the machine, the root shows the base image alone', async () => {
  const { root, handler, host } = await look(worker.current, ['root', 'handler', 'host']);
  const names = root.filter((name) => !name.startsWith('.') && !/^lib(32|64|x32)?$|^s?bin$/.test(name));
  expect(names).toEqual(['dev', 'etc', 'handler', 'host', 'packages', 'proc', 'run', 'tmp', 'usr']);
  expect(handler).toEqual(['lambda_func.py']);
  expect(host).toEqual(expect.arrayContaining(['server_pipe', 'stderr', 'stdout']));
});

test.each([
  '/etc/shadow',
  '/root',
  '/home',
  '/var',
  '/sys',
  '/boot',
  '/etc/ssh',
  '/run/openlambda',
])('%s of the machine is not there', async (path) => {
  expect(await attempt(worker.current, 'list_directory', { path })).toBe('ENOENT');
});
