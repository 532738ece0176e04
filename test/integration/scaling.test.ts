import { expect, test } from 'vitest';
import { leavesNothing } from '../helpers/leftovers.ts';
import { SLOWNESS, until } from '../helpers/poll.ts';
import { python } from '../helpers/python.ts';
import { useWorker } from '../helpers/worker.ts';

leavesNothing();

const worker = useWorker([], { surplus_keep_ms: 500 });

/** Answers with a name that each sandbox of it gives itself; sleeps as long as the event says, in seconds. */
const NAMED = python`
  import os, time
  NAME = os.urandom(8).hex()
  def handler(event):
      time.sleep(event)
      return NAME
`;

/** How many sandboxes answered so many calls at once. */
async function sandboxesFor(name: string, calls: number, seconds: number): Promise<number> {
  const all = Array.from({ length: calls }, () => worker.current.result<string>(name, seconds));
  return new Set(await Promise.all(all)).size;
}

const count = async (name: string) =>
  (await worker.current.client.sandboxes()).filter((one) => one.function === name).length;

test('a hundred calls at once of a function that sleeps are served by many sandboxes, and then these go', async () => {
  await worker.current.cluster.writeFunction('sleeper', NAMED);
  // By one or two this would take a minute; each of them is there before most of the others have slept.
  expect(await sandboxesFor('sleeper', 100, 1 * SLOWNESS)).toBeGreaterThan(50);
  // By now it is known what the function is like.
  expect(await sandboxesFor('sleeper', 100, 1 * SLOWNESS)).toBeGreaterThan(50);
  await until('end of those that are not needed', async () => (await count('sleeper')) === 1);
  expect((await worker.current.call('sleeper', 0)).headers['x-openlambda-start']).toBe('warm');
  const { body } = await worker.current.client.request('/metrics');
  expect(body).toMatch(/^openlambda_sandboxes_ended_total\{reason="surplus"\} [1-9]\d/m);
});

test('a function that is slow all of a sudden gets sandboxes while the requests wait', async () => {
  await worker.current.cluster.writeFunction('sudden', NAMED);
  for (let calls = 0; calls < 50; calls++) await worker.current.result('sudden', 0);
  expect(await sandboxesFor('sudden', 10, 1 * SLOWNESS)).toBeGreaterThanOrEqual(5);
});

test('calls of a quick function at once do not make a sandbox each', async () => {
  await worker.current.cluster.writeFunction('quick', NAMED);
  for (let calls = 0; calls < 50; calls++) await worker.current.result('quick', 0);
  await sandboxesFor('quick', 32, 0);
  expect(await count('quick')).toBeLessThan(16);
});
