import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readBase } from '../../src/cluster/base.ts';
import { compileSeccomp } from '../../src/sandbox/sock/seccomp/compile.ts';
import { TestCluster } from '../helpers/cluster.ts';
import { leavesNothing, mounts } from '../helpers/leftovers.ts';
import { makeTestDir, removeEmptyRoot } from '../helpers/test-root.ts';
import type { Report } from './attack.ts';
import { Canary } from './canary.ts';
import { FORBIDDEN_CALLS, NUMBERS } from './forbidden-calls.ts';

/**
 * Each layer of a sandbox with the others off: what it keeps in by itself, from a process that is root on this machine but for
 * that. Cgroups are such a layer as well; `test/contract/cgroup.contract.ts` has them with nothing else around.
 */
leavesNothing();

const LAYERS = join(import.meta.dirname, '../fixtures/layers.py');
const NOBODY = 65534;
const ABSTRACT = `ol-layers-${process.pid}`;
/** An empty name would be set where these got through, for the whole machine. */
const NAMES = ['sethostname', 'setdomainname'];

let cluster: TestCluster;
let canary: Canary;
let dir: string;
let servers: Server[];
let roots: ChildProcess;
let nobodys: ChildProcess;

beforeAll(async () => {
  cluster = await TestCluster.create();
  dir = await makeTestDir();
  canary = new Canary(join(dir, 'canary'));
  writeFileSync(join(dir, 'theirs'), '', { mode: 0o600 });
  chownSync(join(dir, 'theirs'), NOBODY, NOBODY);
  servers = [createServer().listen(0, '127.0.0.1'), createServer().listen(`\0${ABSTRACT}`)];
  await Promise.all(servers.map((server) => once(server, 'listening')));
  roots = spawn('/bin/sleep', ['infinity']);
  nobodys = spawn('/bin/sleep', ['infinity'], { uid: NOBODY, gid: NOBODY });
  await Promise.all([once(roots, 'spawn'), once(nobodys, 'spawn')]);
});

afterAll(async () => {
  const isAlive = [roots, nobodys].map(
    ({ exitCode, signalCode }) => exitCode === null && signalCode === null,
  );
  for (const child of [roots, nobodys]) child.kill('SIGKILL');
  for (const server of servers) await new Promise((resolve) => server.close(resolve));
  await canary.close();
  rmSync(dir, { recursive: true });
  await cluster[Symbol.asyncDispose]();
  await removeEmptyRoot();
  expect(isAlive).toEqual([true, true]);
});

/** What a program of `programs/layers` or `escapes` reports with this one layer on. */
async function under(layer: string, program: string, event: object): Promise<Report> {
  const { binds } = await readBase(cluster.paths.base);
  const seccomp = compileSeccomp(process.arch === 'arm64' ? 'arm64' : 'x64').toString('base64');
  const child = spawn('/usr/bin/python3', ['-I', '-B', LAYERS], { stdio: ['pipe', 'pipe', 'pipe'] });
  child.stdin.end(JSON.stringify({ layer, program, event, seccomp, base: cluster.paths.base, binds }));
  const [said, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return JSON.parse(said);
}

function reach({ pid }: ChildProcess): object {
  const { port } = servers[0]?.address() as { port: number };
  const [open, rootOnly] = canary.files;
  return {
    pid,
    port,
    abstract: ABSTRACT,
    public: open,
    rootOnly,
    theirs: join(dir, 'theirs'),
  };
}

describe('one layer of a sandbox, with all others off', () => {
  test('namespaces: nobody outside is there, and what is changed is changed inside', async () => {
    const before = { mounts: mounts(), name: hostname() };
    expect(await under('namespaces', 'reach', reach(roots))).toMatchObject({
      kill: 'ESRCH',
      trace: 'ESRCH',
      environment: 'ENOENT',
      'root of it': 'ENOENT',
      connect: 'ENETUNREACH',
      'connect to an abstract socket': 'ECONNREFUSED',
      'read what only root may': 'EACCES',
      "open another user's file": 'EACCES',
      core_pattern: 'EACCES',
      'a file of the system': 'EACCES',
      mknod: 'EPERM',
      // It is root in there: this shows that nothing else was in its way.
      mount: 'got 0',
      'host name': 'got None',
      chroot: 'got None',
    });
    expect({ mounts: mounts(), name: hostname() }).toEqual(before);
  });

  test('no capabilities: root is a user like any other', async () => {
    expect(await under('capabilities', 'reach', reach(nobodys))).toMatchObject({
      kill: 'EPERM',
      trace: 'EPERM',
      environment: 'EACCES',
      'root of it': 'EACCES',
      "open another user's file": 'EACCES',
      'raw socket': 'EPERM',
      mknod: 'EPERM',
      mount: 'EPERM',
      'host name': 'EPERM',
      'another user': 'EPERM',
      chroot: 'EPERM',
      'read what only root may': expect.stringContaining('got'),
    });
  });

  test('seccomp: root with every capability makes none of the forbidden calls', async () => {
    const names = FORBIDDEN_CALLS.filter((name) => !NAMES.includes(name));
    const report = await under('seccomp', 'forbidden_calls', { numbers: NUMBERS, names });
    expect(Object.keys(report).length).toBeGreaterThan(40);
    expect(Object.entries(report).filter(([, came]) => came !== 'EPERM' && came !== 'ENOSYS')).toEqual([]);
    expect(await under('seccomp', 'reach', reach(roots))).toMatchObject({
      kill: 'got None',
      mount: 'EPERM',
      mknod: 'EPERM',
      trace: 'EPERM',
      chroot: 'EPERM',
      'host name': 'EPERM',
      'read what only root may': expect.stringContaining('got'),
    });
  });

  test('uid: what is of others is out of reach', async () => {
    expect(await under('uid', 'reach', reach(roots))).toMatchObject({
      kill: 'EPERM',
      trace: 'EPERM',
      environment: 'EACCES',
      'root of it': 'EACCES',
      'read what only root may': 'EACCES',
      "open another user's file": 'EACCES',
      core_pattern: 'EACCES',
      'a file of the system': 'EACCES',
      'a program of the system': 'EACCES',
      'raw socket': 'EPERM',
      mknod: 'EPERM',
      mount: 'EPERM',
      'host name': 'EPERM',
      'another user': 'EPERM',
      root: 'EPERM',
      chroot: 'EPERM',
      'connect to an abstract socket': "got 'connected'",
    });
  });

  test('mounts: for root with every capability there is nothing but the base image, and that is read-only', async () => {
    const canaries = [...canary.files, '/etc/shadow', '/proc/1/environ'];
    const { names, flags, ...rest } = await under('mounts', 'climb', { canaries });
    expect(names).not.toMatch(/\b(root|home|var|boot)\b/);
    expect(flags).toBe('True');
    const [written, read] = [Object.entries(rest), Object.entries(rest)].map((all, at) =>
      all.filter(([what]) => what.startsWith('write ') === (at === 0)),
    );
    expect(written?.map(([, came]) => came)).toEqual(Array(5).fill('EROFS'));
    expect(read?.map(([, came]) => came)).toEqual(Array(8).fill('ENOENT'));
  });
});
