import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ConfigFile } from '../../src/config/schema.ts';
import { expectError } from '../helpers/errors.ts';
import { leavesNothing } from '../helpers/leftovers.ts';
import { TestIndex } from '../helpers/package-index.ts';
import { until } from '../helpers/poll.ts';
import { python } from '../helpers/python.ts';
import { TestWorker } from '../helpers/worker.ts';

leavesNothing();

/** Keeps `mb` of memory for good, and takes `ms` for a call. */
const KEEPER = python`
  import time
  kept = []
  def handler(event):
      if not kept: kept.append(b'x' * (event['mb'] * 1024 * 1024))
      time.sleep(event.get('ms', 0) / 1000)
      return 'kept'
`;

/** Takes a MB every 5 ms. */
const GROWS = python`
  import time
  def handler(mb):
      kept = []
      for _ in range(mb):
          kept.append(b'x' * (1024 * 1024))
          time.sleep(0.005)
      return len(kept)
`;

async function start(functions: readonly string[], settings: ConfigFile): Promise<TestWorker> {
  const worker = await TestWorker.start({ spare_sandboxes: 1, ...settings });
  for (const name of functions) await worker.cluster.writeFunction(name, KEEPER);
  return worker;
}

const statesOf = async (worker: TestWorker) => (await worker.client.sandboxes()).map(({ state }) => state);

test('idle sandboxes are ended for a cold start beyond the pool, the one used longest ago first', async () => {
  const names = ['a', 'b', 'c', 'd', 'e', 'f'];
  await using worker = await start(names, { mem_pool_mb: 160, mem_limit_mb: 48 });
  for (const name of names) expect(await worker.result(name, { mb: 30 })).toBe('kept');
  await until('eviction', async () => (await worker.client.sandboxes()).length <= 4);
  const left = (await worker.client.sandboxes()).map((one) => one.function);
  expect(left).toContain('f');
  expect(left).not.toContain('a');
  // Three of them and the margin fill the pool: the others need not have gone.
  expect(left.length).toBeGreaterThanOrEqual(2);
  expect(await worker.result('a', { mb: 30 })).toBe('kept');
});

test('cold starts that find no room wait for it, and all are served', async () => {
  await using worker = await start(['a'], { mem_pool_mb: 160, mem_limit_mb: 48 });
  // What one takes is known from now on.
  await worker.result('a', { mb: 30 });
  await until('measured sandbox', async () => (await worker.sandbox('a')).memoryKb > 30 * 1024);
  let most = 0;
  const calls = Array.from({ length: 12 }, () => worker.result('a', { mb: 30, ms: 200 }));
  let isDone = false;
  const all = Promise.all(calls).finally(() => {
    isDone = true;
  });
  while (!isDone) most = Math.max(most, (await worker.client.sandboxes()).length);
  expect(await all).toEqual(calls.map(() => 'kept'));
  expect(most).toBeGreaterThan(1);
  expect(most).toBeLessThanOrEqual(4);
  expect(worker.log.filter(({ msg }) => msg === 'cold starts wait for memory').length).toBeGreaterThan(0);
  expect(worker.log.filter(({ msg }) => msg === 'invocation failed')).toEqual([]);
});

test('beyond queue_max, what waits for memory is 429', async () => {
  await using worker = await start(['a', 'b'], { mem_pool_mb: 80, mem_limit_mb: 64, queue_max: 2 });
  const first = worker.result('a', { mb: 50, ms: 1500 });
  await until('busy sandbox', async () => (await statesOf(worker)).includes('busy'));
  const answers = await Promise.all(Array.from({ length: 5 }, () => worker.call('b', { mb: 1 })));
  const refused = answers.filter(({ status }) => status !== 200);
  expect(refused).toHaveLength(3);
  for (const answer of refused) {
    expectError(answer, 'ERR_QUEUE_FULL', /'b' has 2 requests waiting/);
    expect(answer.headers['retry-after']).toBe('1');
  }
  expect(await first).toBe('kept');
});

test('a function that never stops calling leaves room for another one', async () => {
  await using worker = await start(['flood', 'other'], { mem_pool_mb: 160, mem_limit_mb: 48 });
  let isOver = false;
  let count = 0;
  const flood = Array.from({ length: 8 }, async () => {
    while (!isOver) {
      await worker.result('flood', { mb: 30, ms: 50 });
      count++;
    }
  });
  await until('flood', () => count > 20);
  // Its sandboxes never get idle: each has the next request at once.
  for (let call = 0; call < 3; call++) expect(await worker.result('other', { mb: 30 })).toBe('kept');
  isOver = true;
  await Promise.all(flood);
});

test('sandboxes that grow beyond the pool at once: one is ended and its client told so, the next call is fine', async () => {
  await using worker = await start(['a', 'echo'], { mem_pool_mb: 64, mem_limit_mb: 256 });
  const answer = await worker.call('a', { mb: 100 });
  expectError(answer, 'ERR_OUT_OF_MEMORY', /all sandboxes together used more than 64 MB.*mem_pool_mb/);
  expect(await worker.result('a', { mb: 1 })).toBe('kept');
  expect(worker.log).toContainEqual(
    expect.objectContaining({ msg: 'invocation failed', function: 'a', code: 'ERR_OUT_OF_MEMORY' }),
  );
});

test('idle sandboxes are ended before one at work has to be, also without a cold start', async () => {
  await using worker = await start(['idle', 'grows'], { mem_pool_mb: 160, mem_limit_mb: 128 });
  await worker.cluster.writeFunction('grows', GROWS);
  expect(await worker.result('grows', 1)).toBe(1);
  expect(await worker.result('idle', { mb: 70 })).toBe('kept');
  await until('measured sandbox', async () => (await worker.sandbox('idle')).memoryKb > 70 * 1024);
  // Both together are more than the pool.
  expect(await worker.result('grows', 110)).toBe(110);
  await expect(worker.sandbox('idle')).rejects.toThrow('0 sandboxes');
});

describe('zygotes with packages', () => {
  let index: TestIndex;
  beforeAll(async () => {
    index = await TestIndex.start();
    for (const name of ['large', 'other'])
      index.add({ name, version: '1.0', files: { [`${name}.py`]: 'data = bytearray(80 * 1024 * 1024)\n' } });
  });
  afterAll(() => index[Symbol.asyncDispose]());

  /** A worker with two zygotes of 80 MB each, and no sandbox of theirs. */
  async function startWithZygotes(settings: ConfigFile): Promise<TestWorker> {
    const worker = await start(['keeper', 'next'], {
      handler_cache_size: 0,
      pip_mirror: index.url,
      ...settings,
    });
    for (const name of ['large', 'other']) {
      const code = `import ${name}\ndef handler(event): return len(${name}.data)\n`;
      await worker.cluster.writeFunction(name, { 'packages.txt': `${name}\n`, 'lambda_func.py': code });
      await worker.result(name);
    }
    await until('no sandbox', async () => (await worker.client.sandboxes()).length === 0);
    expect(await zygotesOf(worker)).toBe(2);
    return worker;
  }

  async function zygotesOf(worker: TestWorker): Promise<number> {
    const { body } = await worker.client.request('/metrics');
    return Number(/^openlambda_zygotes (\d+)$/m.exec(body)?.[1]);
  }

  test('end for a cold start, which does not wait for a sandbox at work', async () => {
    await using worker = await startWithZygotes({ mem_pool_mb: 320, mem_limit_mb: 64 });
    let isOver = false;
    const keeper = worker.result('keeper', { mb: 50, ms: 6000 }).finally(() => {
      isOver = true;
    });
    await until('busy sandbox', async () => (await statesOf(worker)).includes('busy'));
    expect(await worker.result('next', { mb: 40 })).toBe('kept');
    expect(isOver).toBe(false);
    expect(await zygotesOf(worker)).toBeLessThan(2);
    expect(await keeper).toBe('kept');
    expect(worker.log.filter(({ msg }) => msg === 'invocation failed')).toEqual([]);
    // As soon as what has ended is seen to leave room, they are forked from zygotes as before.
    for (const name of ['large', 'other'])
      await until('room for a zygote', async () => (await worker.call(name)).status === 200);
  });

  test('end before a sandbox at work has to', async () => {
    await using worker = await startWithZygotes({ mem_pool_mb: 400, mem_limit_mb: 256 });
    await worker.cluster.writeFunction('grows', GROWS);
    expect(await worker.result('grows', 240)).toBe(240);
    expect(await zygotesOf(worker)).toBe(0);
  });
});

test('without a setting, the pool is the larger part of the memory', async () => {
  await using worker = await start(['a'], {});
  const line = worker.log.find(({ msg }) => msg === 'memory pool');
  expect(line?.memPoolMb).toBeGreaterThan(64);
});
