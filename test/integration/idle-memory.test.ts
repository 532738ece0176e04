import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { pagesWritten } from '../../src/sandbox/sock/hot-pages.ts';
import { leavesNothing } from '../helpers/leftovers.ts';
import { python } from '../helpers/python.ts';
import { useWorker } from '../helpers/worker.ts';

leavesNothing();

/** Pages. What a call writes to is some 200, and most of that is the same in all sandboxes. */
const MANY = 120;
const REST_MS = 100;

const worker = useWorker([], { spare_sandboxes: 2, pause_delay_ms: 60_000 });

const KEEPS = python`
  seen = []
  def handler(event):
      seen.append(event)
      return len(seen), sum(seen)
`;
const KEEPS_A_THREAD = python`
  import _thread, time
  _thread.start_new_thread(time.sleep, (3600,))
  def handler(event): return event
`;

async function written(name: string): Promise<number> {
  const { pid } = await worker.current.sandbox(name);
  if (pid === null) throw new Error(`${name} has no pid`);
  return (await pagesWritten(pid)).length;
}

/** A new function of this name and code is called; how many pages its sandbox has for itself after a while. */
async function afterCall(name: string, code: string): Promise<number> {
  await worker.current.cluster.writeFunction(name, code);
  await worker.current.result(name, 1);
  await sleep(REST_MS);
  return await written(name);
}

test('a sandbox that has no call gives memory back, the first one of a worker, too, and is what it was', async () => {
  const first = await afterCall('first', KEEPS);
  // One with a thread of its own keeps all.
  const all = await afterCall('threads', KEEPS_A_THREAD);
  expect(first).toBeLessThan(all - MANY);
  expect(await afterCall('keeps', KEEPS)).toBeLessThan(all - MANY);
  expect(await afterCall('threads-too', KEEPS_A_THREAD)).toBeGreaterThan(all - MANY);
  expect(await worker.current.result('keeps', 20)).toEqual([2, 21]);
  expect(await worker.current.result('keeps', 300)).toEqual([3, 321]);
  expect(await worker.current.result('threads', 'still here')).toBe('still here');
});
