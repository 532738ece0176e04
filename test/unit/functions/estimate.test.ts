import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Estimate } from '../../../src/functions/estimate.ts';

function after(samples: readonly number[], memory = 32): number | null {
  const estimate = new Estimate(memory);
  for (const sample of samples) estimate.add(sample);
  return estimate.value;
}

const times = (count: number, sample: number) => Array<number>(count).fill(sample);

test('nothing is known before the first sample, which is all that is known after it', () => {
  expect(after([])).toBe(null);
  expect(after([3])).toBe(3);
});

test('the first samples count the same', () => {
  expect(after([4, 2, 3])).toBeCloseTo(3);
});

test('one sample far above the others does not say much', () => {
  expect(after([...times(100, 1), 1000])).toBeLessThan(1.2);
});

test('a change is followed, upwards and downwards', () => {
  expect(after([...times(100, 0.1), ...times(200, 1000)])).toBeGreaterThan(900);
  expect(after([...times(100, 1000), ...times(400, 0.1)])).toBeLessThan(1);
});

test('it is always within what was seen', () => {
  const sample = fc.double({ min: 0, max: 1e6, noNaN: true });
  fc.assert(
    fc.property(fc.array(sample, { minLength: 1 }), fc.integer({ min: 1, max: 50 }), (samples, memory) => {
      const value = after(samples, memory) ?? Number.NaN;
      const slack = 1e-9 * Math.max(...samples);
      expect(value).toBeGreaterThanOrEqual(Math.min(...samples) - slack);
      expect(value).toBeLessThanOrEqual(Math.max(...samples) + slack);
    }),
  );
});
