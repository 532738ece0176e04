import { expect, test } from 'vitest';
import { leavesNothing } from '../helpers/leftovers.ts';
import { useWorker } from '../helpers/worker.ts';

leavesNothing();
const worker = useWorker(['echo']);

test('x', async () => {
  expect(await worker.current.result('echo', { a: 1 })).toEqual({ a: 1 });
  console.log(await worker.current.client.sandboxes());
});
