import { expect, test } from 'vitest';
import { expectError } from '../helpers/errors.ts';
import { leavesNothing } from '../helpers/leftovers.ts';
import { until } from '../helpers/poll.ts';
import { RawConnection } from '../helpers/raw-http.ts';
import { TestWorker } from '../helpers/worker.ts';

leavesNothing();

/** One sandbox at a time for `sleep`, which is busy when this returns. */
async function busyWorker(
  settings: Record<string, number> = {},
): Promise<{ worker: TestWorker; first: Promise<unknown> }> {
  const worker = await TestWorker.start({ max_runners: 1, spare_sandboxes: 1, ...settings });
  await worker.cluster.addFixture('sleep');
  await worker.result('sleep', { ms: 0 });
  const first = worker.result('sleep', { ms: 500, value: 'first' });
  await until('busy sandbox', async () =>
    (await worker.client.sandboxes()).some(({ state }) => state === 'busy'),
  );
  return { worker, first };
}

test('beyond max_runners requests wait for their turn, and are served in their order by one sandbox', async () => {
  const { worker, first } = await busyWorker();
  await using _worker = worker;
  const order: number[] = [];
  const later = [0, 1, 2, 3].map(async (value) => {
    order.push(await worker.result<number>('sleep', { ms: 1, value }));
  });
  await Promise.all([first, ...later]);
  expect(order.toSorted()).toEqual([0, 1, 2, 3]);
  await worker.sandbox('sleep');
});

test('beyond queue_max a request is 429, and says when to come back', async () => {
  const { worker, first } = await busyWorker({ queue_max: 2 });
  await using _worker = worker;
  const answers = await Promise.all([0, 1, 2, 3, 4].map((value) => worker.call('sleep', { ms: 0, value })));
  const refused = answers.filter(({ status }) => status !== 200);
  expect(refused).toHaveLength(3);
  for (const answer of refused) {
    expectError(answer, 'ERR_QUEUE_FULL', /'sleep' has 2 requests waiting/);
    expect(answer.headers['retry-after']).toBe('1');
  }
  expect(await first).toBe('first');
});

test('a client that goes away while it waits is not served, and does not hold up the end of the worker', async () => {
  const { worker, first } = await busyWorker({ shutdown_grace_ms: 60_000 });
  const gone = await RawConnection.open(worker.running.port);
  gone.sendHead('POST /runLambda/sleep HTTP/1.1\nHost: x\nContent-Length: 14');
  gone.send('{"ms": 600000}');
  // One after it on the same connection of ours tells that it has been read.
  const probe = worker.client.status();
  await probe;
  gone[Symbol.dispose]();
  await first;
  await until('notice', () => worker.log.some(({ code }) => code === 'ERR_CLIENT_GONE'));
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
