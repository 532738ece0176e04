import fc from 'fast-check';
import { expect, test } from 'vitest';
import { sparesToFork } from '../../../../src/sandbox/sock/spares.ts';

test('where none is wanted none is forked', () => {
  expect(sparesToFork({ present: 0, wanted: 0 })).toBe(0);
});

test('where there are none all are forked, also when it is one', () => {
  expect(sparesToFork({ present: 0, wanted: 4 })).toBe(4);
  expect(sparesToFork({ present: 0, wanted: 1 })).toBe(1);
});

test('they are forked several at a time', () => {
  expect([7, 6, 5].map((present) => sparesToFork({ present, wanted: 8 }))).toEqual([0, 2, 3]);
});

test('there are never more than wanted, and less than three quarters of them are not left at that', () => {
  fc.assert(
    fc.property(fc.nat({ max: 1000 }), fc.nat({ max: 1000 }), (present, wanted) => {
      const forked = sparesToFork({ present, wanted });
      expect(forked).toBeGreaterThanOrEqual(0);
      expect(present + forked).toBeLessThanOrEqual(Math.max(present, wanted));
      expect(present + forked).toBeGreaterThanOrEqual(Math.floor((wanted * 3) / 4));
    }),
  );
});
