import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeAll, expect, test } from 'vitest';
import { connectWorker } from '../../src/client/worker-client.ts';
import { type ClaimRecord, listClaims, workerOf, zygoteOf } from '../../src/cluster/claims.ts';
import { identify, isAlive, type ProcessId, waitGone } from '../../src/cluster/process.ts';
import type { ClusterReport } from '../../src/cluster/report.ts';
import { leavesNothing } from '../helpers/leftovers.ts';
import { SLOWNESS } from '../helpers/poll.ts';
import { usePlace, writeFunction } from './run-admin.ts';

leavesNothing();
const place = usePlace();
const { admin, read, path } = place;
const CLI = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
const HELLO = 'def handler(event):\n    return "Hello, %s!" % event["name"]\n';

beforeAll(async () => {
  expect(await admin('new', '--cluster=c')).toMatchObject({ status: 0 });
  writeFunction(path('c', 'registry'), 'hello', HELLO);
});

afterEach(async () => {
  expect(await admin('kill', '--cluster=c')).toMatchObject({ status: 0, stderr: '' });
  await expectNothingLeft();
});

async function claims(): Promise<ClaimRecord[]> {
  const { live, stale } = await listClaims();
  return [...live, ...stale].filter((claim) => claim.cluster === path('c'));
}

async function report(): Promise<ClusterReport> {
  const { stdout } = await admin('status', '--cluster=c', '--json');
  const { clusters } = JSON.parse(stdout) as { clusters: ClusterReport[] };
  const [only] = clusters;
  if (only === undefined) throw new Error('no cluster in the report');
  return only;
}

async function hello(url: string): Promise<string> {
  const client = connectWorker(url);
  const { body } = await client.invoke('hello', { name: 'Alice' });
  client.close();
  return body;
}

async function urls(): Promise<string[]> {
  return (await report()).workers.map(({ url }) => url);
}

async function expectNothingLeft(): Promise<void> {
  expect(await claims()).toEqual([]);
  expect(readdirSync(path('c', 'logs')).filter((name) => name.endsWith('.pid'))).toEqual([]);
  for (const name of readdirSync(path('c', 'workers'))) {
    for (const kind of ['handlers', 'code'].filter((dir) => existsSync(path('c', 'workers', name, dir)))) {
      expect(readdirSync(path('c', 'workers', name, kind))).toEqual([]);
    }
  }
  expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain(place.dir);
}

test('a worker is started, seen, called and ended, and nothing of it is left', async () => {
  const started = await admin('workers', '-cluster=c', '-port', '0');
  expect(started).toMatchObject({ status: 0, stderr: '' });
  expect(started.stdout).toMatch(
    /^worker-0 {2}http:\/\/localhost:\d+ {2}pid \d+ {2}log c\/logs\/worker-0\.out\n$/,
  );
  const before = await admin('status', '-cluster=c');
  const [url = ''] = await urls();
  expect(before).toEqual({
    status: 0,
    stderr: '',
    stdout: `Worker Pings:\n  ${url}/status => ready [200 OK]\n\nCluster containers:\n\n`,
  });
  expect(await hello(url)).toBe('"Hello, Alice!"');
  const { workers } = await report();
  const [worker] = workers;
  expect(worker?.sandboxes).toEqual([
    {
      id: expect.stringMatching(/^hello\/\d+$/),
      function: 'hello',
      engine: 'sock',
      state: expect.stringMatching(/^(idle|paused)$/),
      pid: expect.any(Number),
      ageMs: expect.any(Number),
      memoryKb: expect.any(Number),
    },
  ]);
  expect((await admin('status', '-cluster=c')).stdout).toMatch(
    /\n {2}hello\/\d+ +(idle|paused|busy) +pid \d+ .* MB +\d+ s\n\n$/,
  );
  expect(read('c', 'logs', 'worker-0.pid')).toBe(`${worker?.pid}\n`);
  const all = [...(await processes()), identify(worker?.sandboxes[0]?.pid ?? 0)].filter((id) => id !== null);
  expect(all).toHaveLength(3);
  const killed = await admin('kill', '-cluster=c');
  expect(killed).toMatchObject({ status: 0, stdout: `worker-0  pid ${worker?.pid}  ended\n` });
  expect(all.filter(({ pid, startTicks }) => isAlive(pid, startTicks))).toEqual([]);
});

/** The workers and root zygotes of the cluster. */
async function processes(): Promise<(ProcessId | null)[]> {
  return (await claims()).flatMap((claim) => [workerOf(claim), zygoteOf(claim)]);
}

test('three workers get a config, a log, a pid file and a port each; a second start is refused', async () => {
  const started = await admin('workers', '--cluster=c', '--num-workers=3', '--port=0');
  expect(started).toMatchObject({ status: 0, stderr: '' });
  const found = await urls();
  expect(new Set(found).size).toBe(3);
  for (const url of found) expect(await hello(url)).toBe('"Hello, Alice!"');
  expect(readdirSync(path('c', 'config')).sort()).toEqual([
    'template.json',
    'worker-0.json',
    'worker-1.json',
    'worker-2.json',
  ]);
  const template = JSON.parse(read('c', 'config', 'template.json'));
  const own = { worker_port: '0', worker_dir: path('c', 'workers', 'worker-2') };
  expect(JSON.parse(read('c', 'config', 'worker-2.json'))).toEqual({ ...template, ...own });
  const again = await admin('workers', '--cluster=c', '--port=0');
  expect(again).toMatchObject({ status: 1, stdout: '', stderr: expect.stringContaining('worker 0 of') });
  expect(again.stderr).toContain('already runs (pid ');
  expect((await report()).workers).toHaveLength(3);
});

test('without -cluster, the status is that of every cluster with a worker', async () => {
  await admin('workers', '--cluster=c', '--port=0');
  expect((await admin('status')).stdout).toContain(`Cluster ${path('c')}\n\nWorker Pings:\n`);
});

test('a port that is taken is found before anything is started, and its owner is named', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : null;
  const { status, stderr } = await admin('workers', '--cluster=c', `--port=${port}`);
  server.close();
  expect(status).toBe(1);
  expect(stderr).toContain(`port ${port} on localhost is taken by`);
  expect(stderr).toContain(`(pid ${process.pid})`);
});

test('a stale pid file whose number belongs to another program is told about, and that program lives on', async () => {
  const other = spawn('sleep', ['infinity']);
  await once(other, 'spawn');
  writeFileSync(path('c', 'logs', 'worker-0.pid'), `${other.pid}\n`);
  const { status, stderr } = await admin('workers', '--cluster=c', '--port=0');
  expect(status).toBe(0);
  expect(stderr).toBe(`worker-0: its pid file was stale (${other.pid}, that process is sleep now)\n`);
  await admin('kill', '--cluster=c');
  writeFileSync(path('c', 'logs', 'worker-0.pid'), `${other.pid}\n`);
  expect((await admin('kill', '--cluster=c')).status).toBe(0);
  expect(other.exitCode).toBe(null);
  expect(identify(other.pid ?? 0)).not.toBe(null);
  other.kill();
  await once(other, 'exit');
});

test('after kill -9 of a worker its sandboxes are gone, status says so, and the next start needs no hand', async () => {
  await admin('workers', '--cluster=c', '--port=0');
  const [url = ''] = await urls();
  await hello(url);
  const sandboxes = (await report()).workers
    .flatMap((worker) => worker.sandboxes)
    .map(({ pid }) => identify(pid ?? 0));
  const all = [...(await processes()), ...sandboxes].filter((id) => id !== null);
  process.kill(Number(read('c', 'logs', 'worker-0.pid')), 'SIGKILL');
  expect(await waitGone(all, 10_000 * SLOWNESS)).toEqual([]);
  const { status, stdout } = await admin('status', '--cluster=c');
  expect(status).toBe(1);
  expect(stdout).toContain(`  ${url}/status => it has ended: see c/logs/worker-0.out\n`);
  expect((await admin('workers', '--cluster=c', '--port=0')).status).toBe(0);
  const [next = ''] = await urls();
  expect(await hello(next)).toBe('"Hello, Alice!"');
});

test('a worker that fails is named with its reason, and the others run on', async () => {
  const inTheWay = path('c', 'workers', 'worker-1', 'handlers');
  rmSync(inTheWay, { recursive: true, force: true });
  mkdirSync(path('c', 'workers', 'worker-1'), { recursive: true });
  writeFileSync(inTheWay, '');
  const { status, stdout, stderr } = await admin('workers', '--cluster=c', '--port=0', '--num-workers=2');
  expect(status).toBe(1);
  expect(stdout).toMatch(/^worker-0 {2}http/);
  expect(stderr).toContain('1 of 2 workers did not start:\n  worker 1 did not start: ');
  expect(stderr).toContain('the others run');
  expect((await report()).workers.map(({ name }) => name)).toEqual(['worker-0']);
  rmSync(inTheWay);
});

test('a broken base image is told by the worker itself, in one line', async () => {
  renameSync(path('c', 'base', 'host'), path('c', 'base', 'hidden'));
  const { status, stderr } = await admin('workers', '--cluster=c', '--port=0');
  renameSync(path('c', 'base', 'hidden'), path('c', 'base', 'host'));
  expect(status).toBe(1);
  expect(stderr).toMatch(
    /^admin workers: worker 0 did not start: the base image .* has no directory host: .*\n$/,
  );
});

test('a worker in the foreground ends cleanly on ctrl-C, with its log on stdout', async () => {
  await admin('workers', '--cluster=c', '--port=0');
  await admin('kill', '--cluster=c');
  const config = join('c', 'config', 'worker-0.json');
  const child = spawn(process.execPath, [CLI, 'worker-exec', `--config=${config}`], { cwd: place.dir });
  let stdout = '';
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
  });
  await expect.poll(() => stdout, { timeout: 60_000 * SLOWNESS }).toContain('"msg":"ready"');
  const [url = ''] = await urls();
  expect(await hello(url)).toBe('"Hello, Alice!"');
  child.kill('SIGINT');
  expect(await once(child, 'close')).toEqual([0, null]);
  for (const line of stdout.trim().split('\n')) expect(JSON.parse(line)).toHaveProperty('msg');
});

test('a second ctrl-C ends a worker at once, though a request still runs, and its sandboxes with it', async () => {
  writeFunction(path('c', 'registry'), 'slow', 'import time\ndef handler(event):\n    time.sleep(600)\n');
  await admin('workers', '--cluster=c', '--port=0');
  const [url = ''] = await urls();
  const client = connectWorker(url);
  const asked = expect(client.invoke('slow', {})).rejects.toMatchObject({ code: 'ERR_NO_ANSWER' });
  await expect.poll(sandboxStates, { timeout: 60_000 * SLOWNESS }).toEqual(['busy']);
  const all = (await processes()).filter((id) => id !== null);
  const pid = Number(read('c', 'logs', 'worker-0.pid'));
  process.kill(pid, 'SIGINT');
  await expect
    .poll(() => read('c', 'logs', 'worker-0.out'), { timeout: 60_000 * SLOWNESS })
    .toContain('"signal":"SIGINT"');
  process.kill(pid, 'SIGINT');
  expect(await waitGone(all, 10_000 * SLOWNESS)).toEqual([]);
  await asked;
  client.close();
});

async function sandboxStates(): Promise<string[]> {
  return (await report()).workers.flatMap(({ sandboxes }) => sandboxes.map(({ state }) => state));
}

test('kill ends a worker that was started by hand, and one that does not listen', async () => {
  await admin('setconf', '--cluster=c', '{"shutdown_grace_ms": 100}');
  await admin('workers', '--cluster=c', '--port=0');
  const pid = Number(read('c', 'logs', 'worker-0.pid'));
  process.kill(pid, 'SIGSTOP');
  const { status, stdout } = await admin('kill', '--cluster=c');
  expect({ status, stdout }).toEqual({
    status: 0,
    stdout: `worker-0  pid ${pid}  killed: it did not end when it was told to\n`,
  });
  // This one gets the time that it takes.
  const config = path('c', 'config', 'worker-0.json');
  writeFileSync(
    config,
    JSON.stringify({ ...JSON.parse(readFileSync(config, 'utf8')), shutdown_grace_ms: 60_000 }),
  );
  const byHand = spawn(process.execPath, [CLI, 'worker-exec', `--config=${config}`], { cwd: place.dir });
  byHand.stdout.resume();
  const ended = once(byHand, 'exit');
  await expect.poll(urls, { timeout: 60_000 * SLOWNESS }).toHaveLength(1);
  expect((await admin('kill', '--cluster=c')).stdout).toContain('ended');
  expect(await ended).toEqual([0, null]);
});
