import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { WorkerClient } from '../../src/client/worker-client.ts';
import { startWorkers } from '../../src/cluster/launch.ts';
import { workerPaths } from '../../src/cluster/paths.ts';
import { stopCluster } from '../../src/cluster/stop.ts';
import { cleanUps } from '../../src/sandbox/clean-up.ts';
import { BackgroundWorkers, claimsOf, untilGone } from '../helpers/background.ts';
import { TestCluster } from '../helpers/cluster.ts';
import { gateOf } from '../helpers/gate.ts';
import { handlerFiles } from '../helpers/handler-files.ts';
import { leavesNothing } from '../helpers/leftovers.ts';
import { until } from '../helpers/poll.ts';
import { isStillThere, treeOf } from '../helpers/processes.ts';

leavesNothing();

async function clusterWith(...fixtures: readonly string[]): Promise<TestCluster> {
  const cluster = await TestCluster.create();
  for (const name of fixtures) await cluster.addFixture(name);
  return cluster;
}

test('after a kill -9 `kill` removes whatever is left, and may be called again', async () => {
  await using cluster = await clusterWith('echo');
  await using workers = await BackgroundWorkers.start(cluster);
  await workers.first.client.invoke('echo', 1);
  const tree = workers.first.tree();
  workers.first.kill('SIGKILL');
  for (let count = 0; count < 2; count++) await stopCluster(cluster.paths.root, cleanUps);
  expect(tree.filter(isStillThere)).toEqual([]);
  expect(await handlerFiles(cluster.paths)).toEqual([]);
  expect(await claimsOf(cluster)).toEqual({ live: [], stale: [] });
  expect(existsSync(workerPaths(cluster.paths, 0).pid)).toBe(false);
});

test('a kill -9 while it starts leaves nothing either', async () => {
  await using cluster = await clusterWith('echo');
  const pids: number[] = [];
  const start = startWorkers(cluster.paths.root, {
    port: 0,
    onStep: (step) => {
      if (step.kind === 'starting') pids.push(step.pid);
    },
  });
  // A slow look at the claim may come when it serves already.
  const failed = start.catch((error) => expect(error).toMatchObject({ code: 'ERR_WORKER_FAILED' }));
  const [pid] = await until('start', () => (pids.length > 0 ? pids : null));
  // By now it has a launcher, and perhaps a root zygote, and has not said that it is ready.
  await until('claim', async () => (await claimsOf(cluster)).live.length > 0);
  process.kill(pid ?? 0, 'SIGKILL');
  await failed;
  await stopCluster(cluster.paths.root, cleanUps);
  expect(await claimsOf(cluster)).toEqual({ live: [], stale: [] });
});

test.each([
  'SIGTERM',
  'SIGINT',
] as const)('%s lets the running request finish, refuses new ones, and ends with 0', async (signal) => {
  await using cluster = await clusterWith('gate', 'echo');
  await using workers = await BackgroundWorkers.start(cluster);
  const { client } = workers.first;
  const running = client.invoke('gate', 'finished');
  const gate = await gateOf(cluster.paths);
  await client.invoke('echo', 1);
  const tree = workers.first.tree();
  workers.first.kill(signal);
  const refused = await until('refusal', async () => {
    const answer = await client.invoke('echo', 1);
    return answer.status === 503 ? answer : null;
  });
  expect(JSON.parse(refused.body).error.code).toBe('ERR_SHUTTING_DOWN');
  expect(refused.headers['retry-after']).toBe('1');
  await gate.open();
  expect(await running).toMatchObject({ status: 200, body: '"finished"' });
  await untilGone(tree);
  expect(await handlerFiles(cluster.paths)).toEqual([]);
  expect((await claimsOf(cluster)).live).toEqual([]);
  expect((await workers.first.log()).at(-1)).toMatchObject({ msg: 'ended' });
});

test('a worker in the foreground that is told to end while it works ends with 0; told twice, at once with 130', async () => {
  for (const [times, code] of [
    [1, 0],
    [2, 130],
  ] as const) {
    await using cluster = await clusterWith('gate');
    await cluster.configure({ worker_port: 0, cluster_name: cluster.paths.root });
    const main = join(import.meta.dirname, '../../src/cli/main.ts');
    const child = spawn(process.execPath, [main, 'worker-exec', `--config=${cluster.paths.template}`], {
      stdio: 'ignore',
    });
    const ended = once(child, 'exit');
    const [claim] = await until('claim', async () => {
      const { live } = await claimsOf(cluster);
      return live[0]?.port ? live : null;
    });
    const client = new WorkerClient(`http://127.0.0.1:${claim?.port}`);
    const running = client.invoke('gate', 1).catch((error) => error);
    const gate = await gateOf(cluster.paths);
    const tree = treeOf(child.pid ?? 0);
    child.kill('SIGTERM');
    await until('refusal', async () => (await client.status()).status === 503);
    if (times === 2) child.kill('SIGTERM');
    else await gate.open();
    expect(await ended).toEqual([code, null]);
    if (times === 1) expect(await running).toMatchObject({ status: 200, body: '1' });
    await running;
    client.close();
    await untilGone(tree);
    await stopCluster(cluster.paths.root, cleanUps);
  }
});

test('several workers at once serve beside each other; the death of one is not felt by the others', async () => {
  await using cluster = await clusterWith('echo');
  await using workers = await BackgroundWorkers.start(cluster, 3);
  const ports = workers.all.map(({ started }) => started.port);
  expect(new Set(ports).size).toBe(3);
  for (const { client } of workers.all) expect((await client.invoke('echo', 1)).status).toBe(200);
  const [victim, ...others] = workers.all;
  const tree = victim?.tree() ?? [];
  victim?.kill('SIGKILL');
  await untilGone(tree);
  for (const { client } of others) {
    expect((await client.invoke('echo', 2)).headers['x-openlambda-start']).toBe('warm');
  }
  const slots = (await claimsOf(cluster)).live.map(({ slot }) => slot);
  expect(new Set(slots).size).toBe(2);
  const stopped = await workers.stop();
  expect(stopped.map(({ how }) => how)).toEqual(['ended', 'ended']);
});

test('`kill` of a cluster waits until the last process is gone', async () => {
  await using cluster = await clusterWith('echo');
  await using workers = await BackgroundWorkers.start(cluster, 2);
  for (const { client } of workers.all) await client.invoke('echo', 1);
  const trees = workers.all.flatMap((worker) => worker.tree());
  expect(trees.length).toBeGreaterThan(8);
  await workers.stop();
  expect(trees.filter(isStillThere)).toEqual([]);
  expect(await handlerFiles(cluster.paths)).toEqual([]);
});
