import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { leavesNothing } from '../helpers/leftovers.ts';
import { sources } from '../helpers/sources.ts';
import { TestWorker } from '../helpers/worker.ts';

leavesNothing();
afterEach(() => {
  vi.useRealTimers();
});

const HOUR_MS = 3_600_000;
/** No call may take longer because of the clock. */
const SOON_MS = 5000;

/** The clock that this process tells the time by; those that measure how long things take are as they were. */
function moveClock(ms: number): void {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + ms });
}

test.each([
  ['forward', HOUR_MS],
  ['back', -HOUR_MS],
])('the clock one hour %s', async (_, ms) => {
  await using worker = await TestWorker.start({ invocation_timeout_ms: 2000, surplus_keep_ms: 300 });
  for (const name of ['here', 'edited', 'cold']) await worker.cluster.addFixture('echo', name);
  await worker.cluster.addFixture('sleep');
  for (const name of ['here', 'edited']) await worker.result(name, 1);
  const running = worker.call('sleep', { ms: 1000, value: 'done' });
  // While it is open for writing, a version is not read before it is closed, or a short time is over.
  const file = join(worker.cluster.paths.registry, 'edited', 'lambda_func.py');
  const writer = openSync(file, 'r+');
  await worker.cluster.writeFunction('edited', { note: 'an edit' });
  const edited = worker.result('edited', 2);
  await new Promise((resolve) => setTimeout(resolve, 20));
  const since = performance.now();
  moveClock(ms);
  expect(await edited).toBe(2);
  expect(await running).toMatchObject({ status: 200, body: '"done"' });
  expect(await worker.result('here', 3)).toBe(3);
  expect(await worker.result('cold', 4)).toBe(4);
  expect((await worker.call('sleep', { ms: 10_000 })).status).toBe(504);
  closeSync(writer);
  await worker.cluster.replaceFunction('edited', 'def handler(event):\n    return "new"\n');
  expect(await worker.result('edited')).toBe('new');
  expect(performance.now() - since).toBeLessThan(2 * SOON_MS);
  expect((await worker.client.request('/metrics')).body).toMatch(/^openlambda_queue_length 0$/m);
});

/** Where the time of day itself is meant: what files say, what others are told, what is shown. */
const TIMES_OF_DAY = [
  'src/cli/ls.ts',
  'src/packages/inventory.ts',
  'src/registry/survey.ts',
  'src/s3/object-headers.ts',
  'src/s3/operations/buckets.ts',
  'src/s3/server.ts',
  'src/sandbox/scratch/scratch-dir.ts',
  'src/telemetry/log-destination.ts',
];

test('nothing that the product waits for or measures is measured by the time of day', () => {
  const users = sources(['src/**/*.ts', 'runtime/python/*.py']).filter(({ text }) =>
    /\bDate\.now\b|\bnew Date\(|\btime\.time\(|\bdatetime\b|\btime_ns\(\)/.test(
      text.replaceAll('monotonic_ns()', ''),
    ),
  );
  expect(users.map(({ path }) => path).sort()).toEqual(TIMES_OF_DAY);
});
