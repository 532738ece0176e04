import { expect, test } from 'vitest';
import { isCrowded } from '../../../../src/sandbox/cores/crowding.ts';

/** Two looks, 10 ms apart, between which so many cores were taken. */
function crowded(cores: number, taken: number, longestMs = 1000): boolean {
  const before = { at: 5000, usedUs: 70_000, longestMs };
  return isCrowded(before, { at: 5010, usedUs: 70_000 + taken * 10_000, longestMs }, cores);
}

// Recorded on two cores, by the benches `neighbours`, `throughput`, `starts` and `cold`.
test.each([
  ['a fork bomb, a memory bomb and a busy loop', 1.83, 90],
  ['a busy loop alone', 0.95, 500],
  ['one that was counted up to the last tick', 0.93, 500],
])('%s: crowded', (_, taken, longestMs) => {
  expect(crowded(2, taken, longestMs)).toBe(true);
});

test.each([
  ['warm calls, as many as there can be', 0.65, 4000],
  ['cold calls, one after another', 1.12, 20],
  ['cold calls of eight clients', 1.28, 35],
  ['nothing', 0, 4000],
])('%s: not crowded', (_, taken, longestMs) => {
  expect(crowded(2, taken, longestMs)).toBe(false);
});

test('where there are many cores, all but one have to be taken', () => {
  expect([crowded(64, 62), crowded(64, 63), crowded(4, 2.8), crowded(4, 3)]).toEqual([
    false,
    true,
    false,
    true,
  ]);
});

test('a single core is crowded by whoever takes half of it', () => {
  expect([crowded(1, 0.4), crowded(1, 0.5)]).toEqual([false, true]);
});
