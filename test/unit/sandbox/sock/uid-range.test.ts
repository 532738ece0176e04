import fc from 'fast-check';
import { expect, test } from 'vitest';
import { UidRange } from '../../../../src/sandbox/sock/uid-range.ts';

const WHOLE = { base: 0x70000000, count: 2 ** 24 };
const SINGLES = 2 ** 16;

function whole(): UidRange {
  return UidRange.whole(WHOLE, SINGLES);
}

function overlaps(one: { base: number; count: number }, other: { base: number; count: number }): boolean {
  return one.base < other.base + other.count && other.base < one.base + one.count;
}

test('single uids are those below the ranges, each once', () => {
  const range = whole();
  const taken = Array.from({ length: SINGLES }, () => range.take());
  expect(new Set(taken).size).toBe(SINGLES);
  expect(Math.max(...taken)).toBe(WHOLE.base + SINGLES - 1);
  expect(range.isFull).toBe(true);
  expect(range.takeRange()?.base).toBeGreaterThanOrEqual(WHOLE.base + SINGLES);
});

test('a tree of ranges, however it is taken and given back: nobody shares a uid, and each lies in its parent’s', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(), { maxLength: 200 }), (choices) => {
      const live: { range: UidRange; parent: UidRange }[] = [];
      const root = whole();
      for (const choice of choices) {
        const leaves = live.filter(({ range }) => !live.some(({ parent }) => parent === range));
        if (choice % 4 === 0 && leaves.length > 0) {
          const gone = leaves[choice % leaves.length];
          gone?.range.close();
          live.splice(live.indexOf(gone as (typeof live)[number]), 1);
          continue;
        }
        const parent = [root, ...live.map(({ range }) => range)][choice % (live.length + 1)] ?? root;
        const range = parent.takeRange();
        if (range !== null) live.push({ range, parent });
      }
      for (const [index, { range, parent }] of live.entries()) {
        expect(parent.has(range.base) && parent.has(range.base + range.count - 1)).toBe(true);
        expect(range.has(range.take())).toBe(true);
        // A zygote's own uid is its first one, and no sandbox's.
        expect(range.take()).toBeGreaterThan(range.base);
        const brothers = live.slice(index + 1).filter((other) => other.parent === parent);
        expect(brothers.filter((other) => overlaps(range, other.range))).toEqual([]);
      }
    }),
  );
});

test('there are ranges for more than a hundred zygotes, and for some below each of the first', () => {
  const root = whole();
  const ranges = Array.from({ length: 100 }, () => root.takeRange());
  expect(ranges.every((range) => range !== null)).toBe(true);
  expect(ranges[0]?.takeRange()?.takeRange()).not.toBeNull();
});

test('a chain is eight deep, each with room for more than a dozen sandboxes, and ends there', () => {
  const chain: UidRange[] = [];
  for (let range = whole().takeRange(); range !== null; range = range.takeRange()) chain.push(range);
  expect(chain.map(({ count }) => count)).toEqual([524288, 65536, 8192, 1024, 256, 64, 32, 16]);
  for (const range of chain) for (let uid = 0; uid < 15; uid++) expect(range.has(range.take())).toBe(true);
});

test('a tree may be five deep, and each zygote that is not one of the deepest have some below it', () => {
  let level = [whole()];
  for (const [depth, count] of [100, 20, 8, 3, 2].entries()) {
    const below = level.flatMap((one) => Array.from({ length: count }, () => one.takeRange()));
    expect([depth, below.filter((one) => one === null).length]).toEqual([depth, 0]);
    level = below.filter((one) => one !== null).filter((_, index) => index % count === 0);
  }
});

test('a range whose zygote has ended is free when the last that was taken of it has come back', () => {
  const root = whole();
  const range = root.takeRange();
  const uid = range?.take() ?? 0;
  range?.close();
  const next = root.takeRange();
  expect(next?.base).not.toBe(range?.base);
  range?.giveBack(uid);
  expect(root.takeRange()?.base).toBe(range?.base);
});
