import fc from 'fast-check';
import { expect, test } from 'vitest';
import { costOfAdding, learnCosts, sharedCost, UNKNOWN_COST } from '../../../src/zygote/costs.ts';
import { anyCosts, anyPackages, cost } from './nodes.ts';

const costs = new Map([
  ['a==1', cost(10, 1000, 30, 3000)],
  ['b==1', cost(5, 500, 20, 4000)],
]);

test('own shares are added, and of the shared ones the largest counts', () => {
  expect(costOfAdding(costs, ['a==1', 'b==1'])).toEqual({ ms: 45, kb: 5500 });
});

test('what is there already is not paid again', () => {
  const base = sharedCost(costs, ['a==1']);
  expect(base).toEqual({ ms: 30, kb: 3000 });
  expect(costOfAdding(costs, ['b==1'], base)).toEqual({ ms: 5, kb: 1500 });
  expect(costOfAdding(costs, [], base)).toEqual({ ms: 0, kb: 0 });
});

test('a package that nothing is known of costs the mean', () => {
  const { selfMs, selfKb } = UNKNOWN_COST;
  expect(costOfAdding(costs, ['x==1', 'y==1'])).toEqual({ ms: 2 * selfMs, kb: 2 * selfKb });
});

test('importing in two steps costs what one step does', () => {
  fc.assert(
    fc.property(anyCosts, anyPackages, fc.nat(8), (known, packages, cut) => {
      const [first, second] = [packages.slice(0, cut), packages.slice(cut)];
      const one = costOfAdding(known, first);
      const two = costOfAdding(known, second, sharedCost(known, first));
      expect({ ms: one.ms + two.ms, kb: one.kb + two.kb }).toEqual(costOfAdding(known, packages));
    }),
  );
});

test('what takes longer than was known is shared out by the own shares', () => {
  // 45 ms and 5500 kB were expected.
  const learned = learnCosts(costs, ['a==1', 'b==1'], { ms: 60, kb: 7000 });
  expect(learned.get('a==1')).toEqual(cost(20, 2000, 30, 3000));
  expect(learned.get('b==1')).toEqual(cost(10, 1000, 20, 4000));
});

test('what takes less than was known makes all shares smaller', () => {
  const learned = learnCosts(costs, ['a==1', 'b==1'], { ms: 9, kb: 550 });
  expect(learned.get('a==1')).toEqual(cost(2, 100, 6, 300));
  expect(learned.get('b==1')).toEqual(cost(1, 50, 4, 400));
});

test('packages that were thought to cost nothing share what they cost evenly', () => {
  const free = new Map([
    ['a==1', cost(0, 0)],
    ['b==1', cost(0, 0)],
  ]);
  const learned = learnCosts(free, ['a==1', 'b==1'], { ms: 8, kb: 200 });
  expect([...learned.values()]).toEqual([cost(4, 100), cost(4, 100)]);
  expect(learnCosts(free, [], { ms: 8, kb: 200 })).toEqual(new Map());
});

test('after a measurement, no more is expected of the same import than was measured', () => {
  const any = fc.tuple(anyCosts, anyPackages, anyPackages, fc.nat(300), fc.nat(99_999));
  fc.assert(
    fc.property(any, ([known, added, there, ms, kb]) => {
      const learned = new Map([...known, ...learnCosts(known, added, { ms, kb }, there)]);
      const others = there.filter((key) => !added.includes(key));
      const expected = costOfAdding(learned, added, sharedCost(learned, others));
      if (added.length === 0 || others.length < there.length) return;
      expect(expected.ms).toBeLessThanOrEqual(ms + 1e-6);
      expect(expected.kb).toBeLessThanOrEqual(kb + 1e-6);
    }),
  );
});

test('overlapping measurements bring out what each package costs', () => {
  const truth = { 'a==1': 100, 'b==1': 10, 'c==1': 1 };
  const learned = new Map(new Map());
  const sets = [
    ['a==1', 'b==1'],
    ['b==1', 'c==1'],
    ['a==1', 'c==1'],
  ] as const;
  for (let round = 0; round < 50; round++) {
    for (const set of sets) {
      const ms = set.reduce((sum, key) => sum + truth[key], 0);
      for (const [key, one] of learnCosts(learned, [...set], { ms, kb: 1 })) learned.set(key, one);
    }
  }
  for (const [key, ms] of Object.entries(truth)) expect(learned.get(key)?.selfMs).toBeCloseTo(ms, 0);
});
