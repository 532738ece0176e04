import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { STRIKES_LAST_MS } from '../../../src/functions/back-off.ts';
import { FunctionTable, type Known } from '../../../src/functions/function-table.ts';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'setImmediate', 'performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** A function of which something is left while it is busy, or has had a strike. */
class Fake implements Known {
  readonly name: string;
  isBusy = false;
  struckAt = Number.NEGATIVE_INFINITY;

  constructor(name: string) {
    this.name = name;
  }

  get hasStrikes(): boolean {
    return performance.now() - this.struckAt < STRIKES_LAST_MS;
  }

  get isUnused(): boolean {
    return !this.isBusy && !this.hasStrikes;
  }
}

const tableOf = () => new FunctionTable((name) => new Fake(name));

test('a name is known from its first call on, and no longer than there is something of it', () => {
  const table = tableOf();
  const one = table.get('f');
  one.isBusy = true;
  table.called(one);
  expect(table.get('f')).toBe(one);
  one.isBusy = false;
  table.called(one);
  expect(table.all).toEqual([]);
  expect(table.get('f')).not.toBe(one);
});

test('one that has strikes is known until they are over, and goes then though nobody calls it', async () => {
  const table = tableOf();
  const one = table.get('f');
  one.struckAt = performance.now();
  table.called(one);
  await vi.advanceTimersByTimeAsync(STRIKES_LAST_MS - 1);
  expect(table.get('f')).toBe(one);
  // Another one that was later is not forgotten meanwhile, and goes in its turn.
  const later = table.get('g');
  later.struckAt = performance.now();
  table.called(later);
  await vi.advanceTimersByTimeAsync(100);
  expect(table.all).toEqual([later]);
  await vi.advanceTimersByTimeAsync(2 * STRIKES_LAST_MS);
  expect(table.all).toEqual([]);
  expect(vi.getTimerCount()).toBe(0);
});

test('names that nobody has a function for leave nothing', () => {
  const table = tableOf();
  for (let made = 0; made < 1000; made++) table.called(table.get(`made-up-${made}`));
  expect(table.all).toEqual([]);
  expect(vi.getTimerCount()).toBe(0);
});
