import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  BYTES_PER_MS,
  FILES_PER_MS,
  firstLookMs,
  nextLookMs,
} from '../../../../src/sandbox/scratch/scratch-schedule.ts';

const LIMITS = { bytes: 512 * 1024 * 1024, files: 10_000 };

test('the first look comes before either limit can be reached', () => {
  expect(firstLookMs(LIMITS)).toBe(10_000 / FILES_PER_MS);
  expect(firstLookMs({ ...LIMITS, files: 10_000_000 })).toBe(LIMITS.bytes / BYTES_PER_MS);
});

test('the nearer the limit, the sooner the next look, down to a shortest time', () => {
  const at = (files: number) => nextLookMs({ usage: { bytes: 0, files }, limits: LIMITS, tookMs: 0 });
  expect([at(0), at(5000), at(9000), at(9990)]).toEqual([200, 100, 20, 10]);
});

test('a look that takes long is not made so often', () => {
  expect(nextLookMs({ usage: { bytes: 0, files: 9990 }, limits: LIMITS, tookMs: 30 })).toBe(300);
});

/** Looks that take no time, at a sandbox that writes as fast as is expected, from wherever it is. */
test('what is there when it is seen to be too much is no more than fits into the shortest time', () => {
  const rate = fc.double({ min: 0, max: 1, noNaN: true });
  const max = fc.integer({ min: 1, max: 2 ** 40 });
  fc.assert(
    fc.property(max, max, rate, rate, (bytesMax, filesMax, byteRate, fileRate) => {
      const limits = { bytes: bytesMax, files: filesMax };
      let usage = { bytes: 0, files: 0 };
      for (let looks = 0; looks < 1000; looks++) {
        const ms = nextLookMs({ usage, limits, tookMs: 0 });
        usage = {
          bytes: usage.bytes + ms * byteRate * BYTES_PER_MS,
          files: usage.files + ms * fileRate * FILES_PER_MS,
        };
        if (usage.bytes <= limits.bytes && usage.files <= limits.files) continue;
        expect(usage.bytes).toBeLessThanOrEqual(limits.bytes + 10.01 * BYTES_PER_MS);
        expect(usage.files).toBeLessThanOrEqual(limits.files + 10.01 * FILES_PER_MS);
        return;
      }
    }),
  );
});
