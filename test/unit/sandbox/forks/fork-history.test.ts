import { expect, test } from 'vitest';
import {
  afterLook,
  CLOSE_LOOK_MS,
  FIRST_LOOK_MS,
  type ForkHistory,
  isForkBomb,
  newHistory,
} from '../../../../src/sandbox/forks/fork-history.ts';

const PROCS_MAX = 128;

/** Goes through looks, of [when, refused by then]; when the first of them is that finds a bomb, or null. */
function firstBomb(looks: readonly (readonly [number, number])[], procsMax = PROCS_MAX): number | null {
  let history: ForkHistory = newHistory(0);
  for (const [at, refused] of looks) {
    if (isForkBomb(history, refused, at, procsMax)) return at;
    history = afterLook(history, refused, at);
  }
  return null;
}

test('a fork bomb is one as soon as more was refused than half of what it may have', () => {
  // As recorded: 128 processes after 30 ms, and 4,000 refused forks a second from then on.
  const recorded = [
    [10, 0],
    [30, 5],
    [35, 23],
    [40, 41],
    [45, 59],
    [50, 75],
  ] as const;
  expect(firstBomb(recorded)).toBe(50);
});

test('a program that is refused some and goes on with what it has is none, however often it is called', () => {
  const once = Array.from({ length: 200 }, (_, call) => [100 * call, call] as const);
  expect(firstBomb(once)).toBeNull();
  const aPool = Array.from({ length: 200 }, (_, call) => [1000 * call, 64 * call] as const);
  expect(firstBomb(aPool)).toBeNull();
});

test('one that tries again each time after a short sleep is none', () => {
  const patient = Array.from({ length: 100 }, (_, look) => [100 * look, 5 * look] as const);
  expect(firstBomb(patient)).toBeNull();
});

test('one that is refused all the time, a little faster than that, is one within the second', () => {
  const steady = Array.from({ length: 100 }, (_, look) => [100 * look, 8 * look] as const);
  expect(firstBomb(steady)).toBeLessThanOrEqual(1000);
});

test('what was refused in all the short calls that nobody looked at is none, and a bomb after them is one', () => {
  const unseen = [
    [3_600_000, 20_000],
    [3_600_020, 20_010],
  ] as const;
  expect(firstBomb(unseen)).toBeNull();
  expect(firstBomb([...unseen, [3_600_040, 20_200]])).toBe(3_600_040);
});

test('with a bound of a few processes, fifty may be refused all the same', () => {
  expect(firstBomb([[20, 50]], 4)).toBeNull();
  expect(firstBomb([[20, 51]], 4)).toBe(20);
});

test('one that goes on without being refused is looked at less and less often, up to ten times a second', () => {
  const waits: number[] = [];
  let history = newHistory(0);
  for (let look = 0; look < 6; look++) {
    waits.push(history.nextMs);
    history = afterLook(history, 0, 20 * look);
  }
  expect(waits).toEqual([FIRST_LOOK_MS, 20, 40, 80, 100, 100]);
});

test('where something was refused since the last look, the next one is soon', () => {
  let history = newHistory(0);
  for (let look = 0; look < 5; look++) history = afterLook(history, 0, 20 * look);
  expect(afterLook(history, 1, 200).nextMs).toBe(CLOSE_LOOK_MS);
  expect(afterLook(afterLook(history, 1, 200), 1, 220).nextMs).toBe(FIRST_LOOK_MS);
});
