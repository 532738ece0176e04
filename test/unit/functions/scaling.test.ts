import fc from 'fast-check';
import { expect, test } from 'vitest';
import { instancesToStart } from '../../../src/functions/scaling.ts';

test('every request that waits gets an instance, those that are being made counted in', () => {
  expect(instancesToStart({ queued: 3, starting: 0, busy: 0, max: 0 })).toBe(3);
  expect(instancesToStart({ queued: 3, starting: 2, busy: 5, max: 0 })).toBe(1);
  expect(instancesToStart({ queued: 0, starting: 0, busy: 5, max: 0 })).toBe(0);
});

test('there are never more instances than the bound', () => {
  expect(instancesToStart({ queued: 10, starting: 1, busy: 2, max: 5 })).toBe(2);
  expect(instancesToStart({ queued: 10, starting: 0, busy: 5, max: 5 })).toBe(0);
  // The bound was lowered, or an instance of old code still serves.
  expect(instancesToStart({ queued: 10, starting: 0, busy: 7, max: 5 })).toBe(0);
});

test('the number is one that can be started, whatever the load', () => {
  const count = fc.nat({ max: 1000 });
  fc.assert(
    fc.property(count, count, count, count, (queued, starting, busy, max) => {
      const started = instancesToStart({ queued, starting, busy, max });
      expect(started).toBeGreaterThanOrEqual(0);
      expect(started).toBeLessThanOrEqual(Math.max(0, queued - starting));
      if (max > 0 && started > 0) expect(started + starting + busy).toBeLessThanOrEqual(max);
      // Nobody waits while there is room.
      if (max === 0) expect(started + starting).toBeGreaterThanOrEqual(queued);
    }),
  );
});
