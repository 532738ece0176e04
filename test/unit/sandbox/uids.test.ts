import { expect, test } from 'vitest';
import { UidPool } from '../../../src/sandbox/uids.ts';

const BASE = 0x70000000;
const COUNT = 65_536;

test('the uids are those of the range, each once, and then there are no more', () => {
  const pool = new UidPool(BASE, COUNT);
  const taken = new Set(Array.from({ length: COUNT }, () => pool.take()));
  expect(taken.size).toBe(COUNT);
  expect(Math.min(...taken)).toBe(BASE);
  expect(Math.max(...taken)).toBe(BASE + COUNT - 1);
  expect(() => pool.take()).toThrow(/all uids are in use/);
});

test('one that was given back is the only one that is left to take', () => {
  const pool = new UidPool(BASE, COUNT);
  for (let count = 0; count < COUNT; count++) pool.take();
  pool.giveBack(BASE + 1234);
  expect(pool.take()).toBe(BASE + 1234);
});

test('one that was given back a moment ago is not taken again at once', () => {
  const pool = new UidPool(BASE, COUNT);
  const first = pool.take();
  pool.giveBack(first);
  const next = Array.from({ length: COUNT - 1 }, () => pool.take());
  expect(next).not.toContain(first);
  expect(pool.take()).toBe(first);
});

test('giving back twice does not make two of it', () => {
  const pool = new UidPool(BASE, COUNT);
  const taken = Array.from({ length: COUNT }, () => pool.take());
  for (let count = 0; count < 2; count++) pool.giveBack(taken[5] ?? 0);
  expect(pool.take()).toBe(taken[5]);
  expect(() => pool.take()).toThrow();
});
