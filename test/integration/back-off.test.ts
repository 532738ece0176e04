import { expect, test } from 'vitest';
import type { WorkerResponse } from '../../src/client/worker-client.ts';
import { expectError } from '../helpers/errors.ts';
import { leavesNothing } from '../helpers/leftovers.ts';
import { until } from '../helpers/poll.ts';
import { python } from '../helpers/python.ts';
import { RawConnection } from '../helpers/raw-http.ts';
import { TestWorker, useWorker } from '../helpers/worker.ts';

leavesNothing();

const BOUNDS = { mem_limit_mb: 48, spare_sandboxes: 2 };
const worker = useWorker(['echo'], BOUNDS);

/** Uses up what it is told to, and says how often its sandbox was called. */
const HUNGRY = python`
  import os, time
  calls = 0
  def handler(event):
      global calls
      calls += 1
      if event == 'memory': kept = b'x' * (500 << 20)
      if event == 'crash': os._exit(3)
      if event == 'slow': time.sleep(1)
      return calls
`;

const SAYS_WHEN = /its next sandbox is started in 5 s/;

async function metric(name: string, of = worker.current): Promise<number> {
  const { body } = await of.client.request('/metrics');
  return Number(new RegExp(`^openlambda_${name} (\\d+)$`, 'm').exec(body)?.[1]);
}

async function sandboxesOf(name: string) {
  return (await worker.current.client.sandboxes()).filter((one) => one.function === name);
}

/** Has a function use up its memory twice, so that it is held back. */
async function holdBack(name: string, of = worker.current): Promise<WorkerResponse> {
  await of.cluster.writeFunction(name, HUNGRY);
  expectError(await of.call(name, 'memory'), 'ERR_OUT_OF_MEMORY');
  return await of.call(name, 'memory');
}

test('after the first time that its memory was used up, a function gets a fresh sandbox at once', async () => {
  await worker.current.cluster.writeFunction('once', HUNGRY);
  const { body } = await worker.current.call('once', 'memory');
  expect(body).toContain('ERR_OUT_OF_MEMORY');
  expect(body).not.toMatch(SAYS_WHEN);
  expect(await worker.current.result('once')).toBe(1);
  expect(await worker.current.result('once')).toBe(2);
});

test('after the second time its calls wait, which is said, while others are served; new code ends that', async () => {
  const [before, times] = [await metric('functions_held_back'), await metric('hold_backs_total')];
  expectError(await holdBack('twice'), 'ERR_OUT_OF_MEMORY', SAYS_WHEN);
  expect(worker.current.log).toContainEqual(
    expect.objectContaining({
      msg: 'function held back',
      function: 'twice',
      code: 'ERR_OUT_OF_MEMORY',
      strikes: 2,
      seconds: 5,
    }),
  );
  const waiting = worker.current.result('twice', 'waits');
  await until('queue', async () => (await metric('queue_length')) === 1);
  expect(await metric('functions_held_back')).toBe(before + 1);
  expect(await metric('hold_backs_total')).toBe(times + 1);
  expect(await worker.current.result('echo', 'served')).toBe('served');
  expect(await sandboxesOf('twice')).toEqual([]);
  await worker.current.cluster.writeFunction('twice', 'def handler(event):\n    return "mended"\n');
  expect(await worker.current.result('twice', 'with new code')).toBe('mended');
  expect(await waiting).toBe('mended');
  expect(await metric('functions_held_back')).toBe(before);
});

test('when it is over one sandbox is started, and no other beside it until it has answered', async () => {
  const since = performance.now();
  await holdBack('trial');
  const calls = Array.from({ length: 5 }, () => worker.current.result('trial', 'slow'));
  let isOver = false;
  const first = Promise.race(calls).finally(() => {
    isOver = true;
  });
  while (!isOver) {
    const { length } = await sandboxesOf('trial');
    // What was asked for before the first answer may be answered after it.
    if (!isOver) expect(length).toBeLessThanOrEqual(1);
  }
  expect(await first).toBe(1);
  // A lower bound, which holds however slow the machine is.
  expect(performance.now() - since).toBeGreaterThanOrEqual(5000);
  await Promise.all(calls);
});

test('a crash does not count, in between or before', async () => {
  await worker.current.cluster.writeFunction('mixed', HUNGRY);
  expectError(await worker.current.call('mixed', 'memory'), 'ERR_OUT_OF_MEMORY');
  for (let call = 0; call < 3; call++)
    expectError(await worker.current.call('mixed', 'crash'), 'ERR_SANDBOX_DIED');
  expect(await worker.current.result('mixed')).toBe(1);
  expectError(await worker.current.call('mixed', 'memory'), 'ERR_OUT_OF_MEMORY');
  expectError(await worker.current.call('mixed', 'memory'), 'ERR_OUT_OF_MEMORY', SAYS_WHEN);
});

test('a sandbox that it still has goes on serving', async () => {
  await worker.current.cluster.writeFunction('several', HUNGRY);
  // Three at a time, so that there are three; two of them are used up.
  await Promise.all([1, 2, 3].map(() => worker.current.result('several', 'slow')));
  await until('three idle ones', async () => (await sandboxesOf('several')).length === 3);
  const answers = await Promise.all([1, 2].map(() => worker.current.call('several', 'memory')));
  expect(answers.filter(({ body }) => SAYS_WHEN.test(body))).toHaveLength(1);
  expect(await metric('functions_held_back')).toBeGreaterThan(0);
  expect(await worker.current.result('several')).toBe(2);
});

test('a client that goes away while it is held back leaves its place to another one', async () => {
  await using strict = await TestWorker.start({ ...BOUNDS, queue_max: 1 });
  await holdBack('bomb', strict);
  const gone = await RawConnection.open(strict.running.port);
  gone.sendHead('POST /runLambda/bomb HTTP/1.1\nHost: x\nContent-Length: 1');
  gone.send('1');
  await until('full queue', async () => (await metric('queue_length', strict)) === 1);
  expectError(await strict.call('bomb', 'refused'), 'ERR_QUEUE_FULL');
  gone[Symbol.dispose]();
  await until('notice', () => strict.log.some(({ code }) => code === 'ERR_CLIENT_GONE'));
  expect(await strict.result('bomb', 'next')).toBe(1);
});

test('a worker that ends does not wait for it beyond its grace', async () => {
  await using ending = await TestWorker.start({ ...BOUNDS, shutdown_grace_ms: 100 });
  await holdBack('bomb', ending);
  const waiting = ending.call('bomb').then(
    ({ status }) => status,
    ({ code }) => code,
  );
  await until('queue', async () => (await metric('queue_length', ending)) === 1);
  await ending.running.close();
  expect(await waiting).toBe('ERR_NO_ANSWER');
});
