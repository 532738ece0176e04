import { closeSync, openSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { ScratchUsage } from '../../../../src/sandbox/scratch/scratch-usage.ts';
import { ScratchWatch } from '../../../../src/sandbox/scratch/scratch-watch.ts';
import { silentLog } from '../../../../src/telemetry/log.ts';
import { leavesNothing } from '../../../helpers/leftovers.ts';
import { makeTestDir, removeEmptyRoot } from '../../../helpers/test-root.ts';

leavesNothing();

const KB = 1024;
let dir: string;
beforeEach(async () => {
  dir = await makeTestDir();
});
afterEach(async () => {
  rmSync(dir, { recursive: true });
  await removeEmptyRoot();
});

/** Watches this very process as if it were a sandbox; resolves with the first thing that is said of it. */
async function watch(limits: { bytes: number; files: number }, heldPatienceMs: number): Promise<object> {
  const { promise, resolve } = Promise.withResolvers<object>();
  const watched = new ScratchWatch({ limits, log: silentLog(), heldPatienceMs }).add({
    id: 'watched/1',
    scratchDir: dir,
    pid: () => process.pid,
    overScratch: (over: ScratchUsage) => resolve({ over: { bytes: over.bytes, files: over.files } }),
    hidesScratch: (tookMs) => resolve({ tookMs }),
  });
  try {
    return await promise;
  } finally {
    watched.end();
  }
}

test('what has a name and what is removed and still open are too much together, though neither is alone', async () => {
  writeFileSync(join(dir, 'named'), Buffer.alloc(60 * KB, 'x'));
  const fd = openSync(join(dir, 'removed'), 'w');
  writeFileSync(fd, Buffer.alloc(60 * KB, 'x'));
  unlinkSync(join(dir, 'removed'));
  try {
    expect(await watch({ bytes: 100 * KB, files: 100 }, 60_000)).toEqual({
      over: { bytes: 120 * KB, files: 2 },
    });
  } finally {
    closeSync(fd);
  }
});

test('one of which it is not known in time what it holds is told of', async () => {
  expect(await watch({ bytes: 100 * KB, files: 100 }, 0)).toEqual({ tookMs: 0 });
});
