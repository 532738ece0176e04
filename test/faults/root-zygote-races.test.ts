import { expect, test } from 'vitest';
import { untilGone, zygoteOf } from '../helpers/background.ts';
import { leavesNothing } from '../helpers/leftovers.ts';
import { until } from '../helpers/poll.ts';
import { treeOf } from '../helpers/processes.ts';
import { TestWorker } from '../helpers/worker.ts';

leavesNothing();

/** Kills the root zygote; returns what died with it. */
async function killZygote(worker: TestWorker): Promise<{ died: Promise<void>; pid: number }> {
  const pid = await zygoteOf(worker.cluster);
  const tree = treeOf(pid);
  process.kill(pid, 'SIGKILL');
  return { died: untilGone(tree), pid };
}

/**
 * What a call in the moment of the death may come to: an answer, or the word that its sandbox was killed when the handler
 * may have begun. One that no handler has seen is answered by another sandbox.
 */
async function tryCall(worker: TestWorker, name: string, value: unknown): Promise<'answered' | 'killed'> {
  const { status, body } = await worker.call(name, value);
  if (status === 200) {
    expect(JSON.parse(body)).toEqual(value);
    return 'answered';
  }
  expect(JSON.parse(body).error).toMatchObject({
    code: 'ERR_SANDBOX_DIED',
    message: expect.stringMatching(/signal SIGKILL$/),
  });
  return 'killed';
}

test('calls in the very moment of its death harm nothing, and those after it are answered, again and again', async () => {
  await using worker = await TestWorker.start({ spare_sandboxes: 2 });
  await worker.cluster.addFixture('echo');
  for (let round = 0; round < 5; round++) {
    await worker.result('echo', 'idle');
    const { died, pid } = await killZygote(worker);
    const outcomes = [];
    for (let count = 0; count < 10; count++) outcomes.push(await tryCall(worker, 'echo', count));
    // At most the sandbox that was idle and one that was just being made were in the way of the kill.
    expect(outcomes.filter((outcome) => outcome === 'killed').length).toBeLessThanOrEqual(2);
    await died;
    expect(await worker.result('echo', 'after')).toBe('after');
    await until('new zygote in the claim', async () => (await zygoteOf(worker.cluster)) !== pid);
  }
});

test('many cold calls at once in that moment harm nothing either', async () => {
  await using worker = await TestWorker.start({ spare_sandboxes: 2 });
  const names = Array.from({ length: 8 }, (_, index) => `echo${index}`);
  for (const name of names) await worker.cluster.addFixture('echo', name);
  await worker.result('echo0', 'warm');
  const { died } = await killZygote(worker);
  await Promise.all(names.map((name) => tryCall(worker, name, name)));
  await died;
  expect(await Promise.all(names.map((name) => worker.result(name, name)))).toEqual(names);
});

test('a worker whose root zygote has just died ends cleanly', async () => {
  const worker = await TestWorker.start();
  await worker.cluster.addFixture('echo');
  await worker.result('echo', 1);
  const { died } = await killZygote(worker);
  await worker[Symbol.asyncDispose]();
  await died;
});
