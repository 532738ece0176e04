import { expect, test } from 'vitest';
import type { WorkerResponse } from '../../src/client/worker-client.ts';
import { expectError } from '../helpers/errors.ts';
import { letGo } from '../helpers/handler-files.ts';
import { leavesNothing } from '../helpers/leftovers.ts';
import { until } from '../helpers/poll.ts';
import { RawConnection } from '../helpers/raw-http.ts';
import { TestWorker } from '../helpers/worker.ts';

leavesNothing();

/** One sandbox at a time for `held`, which is busy when this returns, until it is let go. */
async function busyWorker(
  settings: Record<string, number> = {},
): Promise<{ worker: TestWorker; release: () => Promise<unknown> }> {
  const bounds = { max_runners: 1, spare_sandboxes: 1, invocation_timeout_ms: 600_000 };
  const worker = await TestWorker.start({ ...bounds, ...settings });
  await worker.cluster.addFixture('held');
  const first = worker.result('held', 'first');
  await until('busy sandbox', async () =>
    (await worker.client.sandboxes()).some(({ state }) => state === 'busy'),
  );
  const release = async () => {
    await letGo(worker.cluster.paths, 'held');
    return await first;
  };
  return { worker, release };
}

test('beyond max_runners requests wait for their turn, and are served in their order by one sandbox', async () => {
  const { worker, release } = await busyWorker();
  await using _worker = worker;
  const order: number[] = [];
  const later = [0, 1, 2, 3].map(async (value) => {
    order.push(await worker.result<number>('held', value));
  });
  await release();
  await Promise.all(later);
  expect(order.toSorted()).toEqual([0, 1, 2, 3]);
  await worker.sandbox('held');
});

test('beyond queue_max a request is 429, and says when to come back', async () => {
  const { worker, release } = await busyWorker({ queue_max: 2 });
  await using _worker = worker;
  const refused: WorkerResponse[] = [];
  const calls = [0, 1, 2, 3, 4].map(async (value) => {
    const answer = await worker.call('held', value);
    if (answer.status !== 200) refused.push(answer);
  });
  await until('refusals', () => refused.length >= 3);
  expect(await release()).toBe('first');
  await Promise.all(calls);
  expect(refused).toHaveLength(3);
  for (const answer of refused) {
    expectError(answer, 'ERR_QUEUE_FULL', /'held' has 2 requests waiting/);
    expect(answer.headers['retry-after']).toBe('1');
  }
});

test('a client that goes away while it waits is not served, and does not hold up the end of the worker', async () => {
  const { worker, release } = await busyWorker({ shutdown_grace_ms: 60_000 });
  const gone = await RawConnection.open(worker.running.port);
  gone.sendHead('POST /runLambda/held HTTP/1.1\nHost: x\nContent-Length: 2');
  gone.send('{}');
  // One after it on the same connection of ours tells that it has been read.
  const probe = worker.client.status();
  await probe;
  gone[Symbol.dispose]();
  await until('notice', () => worker.log.some(({ code }) => code === 'ERR_CLIENT_GONE'));
  await release();
  // With the call counted as under way still, this would take the whole grace.
  await worker[Symbol.asyncDispose]();
});

test('idle sandboxes beyond handler_cache_size are ended, the oldest first', async () => {
  await using worker = await TestWorker.start({ handler_cache_size: 4 * 1024, spare_sandboxes: 1 });
  // Each takes more than 1 MB, whether it has been measured already or is guessed at.
  const names = Array.from({ length: 12 }, (_, index) => `echo${index}`);
  for (const name of names) {
    await worker.cluster.addFixture('echo', name);
    await worker.result(name, 1);
  }
  await until('eviction', async () => (await worker.client.sandboxes()).length <= 8);
  const left = (await worker.client.sandboxes()).map((one) => one.function);
  expect(left).toContain(names.at(-1));
  expect(left).not.toContain(names[0]);
  for (const name of names) expect(await worker.result(name, name)).toBe(name);
});

test('without room for idle sandboxes and without spares every call is cold, and works', async () => {
  await using worker = await TestWorker.start({ handler_cache_size: 0, spare_sandboxes: 0 });
  await worker.cluster.addFixture('echo');
  for (let count = 0; count < 5; count++) {
    const { body, headers } = await worker.call('echo', count);
    expect([body, headers['x-openlambda-start']]).toEqual([String(count), 'cold']);
  }
  const many = await Promise.all(Array.from({ length: 30 }, (_, count) => worker.result('echo', count)));
  expect(many).toEqual(Array.from({ length: 30 }, (_, count) => count));
});
