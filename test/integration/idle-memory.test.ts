import { expect, test } from 'vitest';
import { pagesWritten } from '../../src/sandbox/sock/hot-pages.ts';
import { leavesNothing } from '../helpers/leftovers.ts';
import { until } from '../helpers/poll.ts';
import { python } from '../helpers/python.ts';
import { useWorker } from '../helpers/worker.ts';

leavesNothing();

const SPARES = 2;
/** More than are forked before the zygote's memory is an image. */
const EARLIER = 6 * SPARES;
/** Pages. What a call writes to without changing it is some 100. */
const MANY = 40;

const worker = useWorker([], { spare_sandboxes: SPARES, pause_delay_ms: 60_000 });

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

test('a sandbox that has no call gives memory back, and is what it was', async () => {
  for (let count = 0; count < EARLIER; count++) {
    await worker.current.cluster.writeFunction(`earlier-${count}`, KEEPS);
    await worker.current.result(`earlier-${count}`, 1);
  }
  for (const [name, code] of Object.entries({ keeps: KEEPS, threads: KEEPS_A_THREAD }))
    await worker.current.cluster.writeFunction(name, code);

  await worker.current.result('threads', 1);
  await worker.current.result('keeps', 1);
  // One with a thread of its own keeps all.
  await until('memory given back', async () => (await written('keeps')) < (await written('threads')) - MANY);
  expect(await worker.current.result('keeps', 20)).toEqual([2, 21]);
  expect(await worker.current.result('keeps', 300)).toEqual([3, 321]);
  expect(await worker.current.result('threads', 'still here')).toBe('still here');
});
