import { expect, test } from 'vitest';
import type { WorkerClient } from '../../src/client/worker-client.ts';
import { isOlError } from '../../src/errors.ts';
import { BackgroundWorkers, claimsOf, untilGone } from '../helpers/background.ts';
import { TestCluster } from '../helpers/cluster.ts';
import { handlerFiles } from '../helpers/handler-files.ts';
import { leavesNothing } from '../helpers/leftovers.ts';
import { until } from '../helpers/poll.ts';

leavesNothing();

const ACCEPTED = 12;
const CLIENTS = 8;

interface Asked {
  readonly sentAt: number;
  /** The status; null where there was no whole answer. */
  readonly status: number | null;
}

/** Calls as fast as it can until there is nobody any more who answers. */
async function keepCalling(client: WorkerClient, calls: Asked[]): Promise<void> {
  for (;;) {
    const sentAt = performance.now();
    try {
      const { status } = await client.invoke('echo', 1);
      calls.push({ sentAt, status });
    } catch (error) {
      if (!isOlError(error, 'ERR_NO_ANSWER')) throw error;
      calls.push({ sentAt, status: null });
      return;
    }
  }
}

async function queueLength(client: WorkerClient): Promise<number> {
  const { body } = await client.request('/metrics');
  return Number(/^openlambda_queue_length (\d+)$/m.exec(body)?.[1]);
}

test.each([
  'SIGTERM',
  'SIGINT',
  'kill',
] as const)('%s under load: no request that was accepted is lost, new ones are 503, then everything ends', async (how) => {
  await using cluster = await TestCluster.create();
  await cluster.configure({ max_runners: 2 });
  for (const name of ['sleep', 'echo']) await cluster.addFixture(name);
  await using workers = await BackgroundWorkers.start(cluster);
  const { client } = workers.first;
  await client.invoke('echo', 0);
  const accepted = Array.from({ length: ACCEPTED }, (_, value) => client.invoke('sleep', { ms: 200, value }));
  await until('accepted', async () => (await queueLength(client)) >= ACCEPTED - 2);
  const calls: Asked[] = [];
  const load = Array.from({ length: CLIENTS }, () => keepCalling(client, calls));
  await until('load', () => calls.length > 50);
  const tree = workers.first.tree();
  const toldAt = performance.now();
  const stopped = how === 'kill' ? workers.kill() : workers.first.kill(how);
  const answers = await Promise.all(accepted);
  expect(answers.map(({ status, body }) => [status, body])).toEqual(
    answers.map((_, value) => [200, `${value}`]),
  );
  await Promise.all([...load, stopped]);
  await untilGone(tree);
  expect([200, 503, null]).toEqual(expect.arrayContaining(calls.map(({ status }) => status)));
  // What was under way when it was told has a whole answer: its result, or that it came too late.
  expect(calls.filter(({ sentAt, status }) => sentAt < toldAt && status === null)).toEqual([]);
  expect(await handlerFiles(cluster.paths)).toEqual([]);
  expect((await claimsOf(cluster)).live).toEqual([]);
});
