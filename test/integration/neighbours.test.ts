import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { BAD_NEIGHBOURS, type BadNeighbour, disturb } from '../../bench/measure/neighbours.ts';
import { summarize } from '../../bench/measure/stats.ts';
import type { WorkerClient } from '../../src/client/worker-client.ts';
import { BackgroundWorkers } from '../helpers/background.ts';
import { TestCluster } from '../helpers/cluster.ts';
import { leavesNothing } from '../helpers/leftovers.ts';

leavesNothing();

const CALLS = 200;
const EVERY_MS = 5;
/** Other things go on on this machine, too; what is promised is measured by the bench `neighbours`. */
const GROSSLY_SLOWER = 20;
/** Far above a call of the victim's, on an emulated machine too; a busy loop goes on for as long. */
const TIMEOUT_MS = 4000;

/** Calls the victim steadily; fails at the first answer that is not the right one. */
async function callSteadily(client: WorkerClient) {
  const times: number[] = [];
  for (let call = 0; call < CALLS; call++) {
    const start = performance.now();
    expect(await client.invoke('victim', call)).toMatchObject({ status: 200, body: String(call) });
    times.push(performance.now() - start);
    await sleep(EVERY_MS);
  }
  return summarize(times);
}

test('beside a fork bomb, a memory bomb and a busy loop another function gets no error', async () => {
  const names = Object.keys(BAD_NEIGHBOURS) as BadNeighbour[];
  await using cluster = await TestCluster.create();
  await cluster.configure({ invocation_timeout_ms: TIMEOUT_MS, mem_limit_mb: 64 });
  await cluster.addFixture('echo', 'victim');
  for (const name of names) await cluster.writeFunction(name, BAD_NEIGHBOURS[name]);
  await using workers = await BackgroundWorkers.start(cluster);
  const { client, started } = workers.first;
  await client.invoke('victim', 0);
  const alone = await callSteadily(client);
  await using bombs = await disturb(`http://127.0.0.1:${started.port}`, names);
  const beside = await callSteadily(client);
  const figures = `p99 ${beside.p99.toFixed(1)} ms beside them, ${alone.p99.toFixed(1)} ms alone`;
  console.info(`neighbours: ${figures}, ${(beside.p99 / alone.p99).toFixed(1)} times as much`);
  expect(beside.p50 / alone.p50, figures).toBeLessThan(GROSSLY_SLOWER);
  await bombs[Symbol.asyncDispose]();
  // Each of them was ended by its bound (the bombs, on a slow machine, perhaps by the time), so they were at work.
  const ends = [...bombs.ends.keys()];
  for (const name of names) expect(ends).toContainEqual(expect.stringMatching(`^${name} 50[24]$`));
  expect(ends.filter((end) => !/ 50[24]$/.test(end))).toEqual([]);
  expect((await client.invoke('victim', 1)).status).toBe(200);
});
