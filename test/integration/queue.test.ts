import { expect, test } from 'vitest';
import type { WorkerResponse } from '../../src/client/worker-client.ts';
import { expectError } from '../helpers/errors.ts';
import { type Gate, gateOf } from '../helpers/gate.ts';
import { leavesNothing } from '../helpers/leftovers.ts';
import { until } from '../helpers/poll.ts';
import { RawConnection } from '../helpers/raw-http.ts';
import { TestWorker } from '../helpers/worker.ts';

leavesNothing();

/** One sandbox at a time for `gate`, which is busy until its gate is opened. */
async function busyWorker(
  settings: Record<string, number> = {},
): Promise<{ worker: TestWorker; first: Promise<unknown>; gate: Gate }> {
  const worker = await TestWorker.start({ max_runners: 1, spare_sandboxes: 1, ...settings });
  await worker.cluster.addFixture('gate');
  const first = worker.result('gate', 'first');
  return { worker, first, gate: await gateOf(worker.cluster.paths) };
}

const head = (body: string) => `POST /runLambda/gate HTTP/1.1\nHost: x\nContent-Length: ${body.length}`;

test('beyond max_runners requests wait for their turn, and are served in their order by one sandbox', async () => {
  const { worker, first, gate } = await busyWorker();
  await using _worker = worker;
  // On one connection, so that they come in this order.
  using connection = await RawConnection.open(worker.running.port);
  for (const value of ['1', '2', '3', '4']) {
    connection.sendHead(head(value));
    connection.send(value);
  }
  await gate.open();
  expect(await first).toBe('first');
  await connection.until(/\r\n\r\n4$/);
  expect(await gate.calls()).toEqual(['first', 1, 2, 3, 4]);
  await worker.sandbox('gate');
});

test('beyond queue_max a request is 429, and says when to come back', async () => {
  const { worker, first, gate } = await busyWorker({ queue_max: 2 });
  await using _worker = worker;
  const answers: WorkerResponse[] = [];
  const calls = [0, 1, 2, 3, 4].map(async (value) => answers.push(await worker.call('gate', value)));
  await until('three answers', () => answers.length === 3);
  for (const answer of answers) {
    expectError(answer, 'ERR_QUEUE_FULL', /'gate' has 2 requests waiting/);
    expect(answer.headers['retry-after']).toBe('1');
  }
  await gate.open();
  await Promise.all([first, ...calls]);
  expect(answers.slice(3).map(({ status }) => status)).toEqual([200, 200]);
});

test('a client that goes away while it waits is not served, and does not hold up the end of the worker', async () => {
  const { worker, first, gate } = await busyWorker({ shutdown_grace_ms: 60_000 });
  const gone = await RawConnection.open(worker.running.port);
  gone.sendHead(head('"gone"'));
  gone.send('"gone"');
  gone[Symbol.dispose]();
  await until('notice', () => worker.log.some(({ code }) => code === 'ERR_CLIENT_GONE'));
  await gate.open();
  await first;
  expect(await gate.calls()).toEqual(['first']);
  // With the call counted as under way still, this would take the whole grace.
  await worker[Symbol.asyncDispose]();
});

test('a client that goes away leaves its place in the queue to another one', async () => {
  const { worker, first, gate } = await busyWorker({ queue_max: 1 });
  await using _worker = worker;
  const gone = await RawConnection.open(worker.running.port);
  gone.sendHead(head('"gone"'));
  gone.send('"gone"');
  await until('full queue', async () => {
    const { body } = await worker.client.request('/metrics');
    return /^openlambda_queue_length 1$/m.test(body);
  });
  expectError(await worker.call('gate', 'refused'), 'ERR_QUEUE_FULL');
  gone[Symbol.dispose]();
  await until('notice', () => worker.log.some(({ code }) => code === 'ERR_CLIENT_GONE'));
  const next = worker.result('gate', 'next');
  await gate.open();
  expect(await Promise.all([first, next])).toEqual(['first', 'next']);
  expect(await gate.calls()).toEqual(['first', 'next']);
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
