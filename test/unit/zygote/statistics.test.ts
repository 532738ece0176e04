import { expect, test } from 'vitest';
import { CallStatistics } from '../../../src/zygote/statistics.ts';
import { cost, group } from './nodes.ts';

test('calls with the same packages are one group, in whatever order they are named', () => {
  const statistics = new CallStatistics();
  statistics.noteCall(new Set(['a==1', 'b==1']));
  statistics.noteCall(new Set(['b==1', 'a==1']));
  statistics.noteCall(new Set(['a==1']));
  expect(statistics.groups.map(({ calls }) => calls)).toEqual([2, 1]);
});

test('where nobody has looked, all packages count as loaded; the latest word on it holds', () => {
  const statistics = new CallStatistics();
  statistics.noteCall(new Set(['a==1', 'b==1']));
  expect(statistics.groups[0]?.loads).toEqual(new Set(['a==1', 'b==1']));
  statistics.noteCall(new Set(['a==1', 'b==1']), new Set(['b==1']));
  expect(statistics.groups).toEqual([group(2, ['a==1', 'b==1'], ['b==1'])]);
});

test('a package that the function may not import is not counted as loaded', () => {
  const statistics = new CallStatistics();
  statistics.noteCall(new Set(['a==1']), new Set(['a==1', 'b==1']));
  expect(statistics.groups[0]?.loads).toEqual(new Set(['a==1']));
});

test('older calls count less, and are forgotten in the end', () => {
  const statistics = new CallStatistics();
  for (let call = 0; call < 100; call++) statistics.noteCall(new Set(['old==1']));
  statistics.noteCall(new Set(['once==1']));
  for (let call = 0; call < 20_000; call++) statistics.noteCall(new Set(['new==1']));
  const calls = new Map(statistics.groups.map(({ packages, calls }) => [[...packages][0], calls]));
  expect(calls.get('old==1')).toBe(100 / 16);
  expect(calls.has('once==1')).toBe(false);
  expect(calls.get('new==1')).toBeLessThan(10_000);
});

test('what was known of packages is kept apart from what is learned', () => {
  const known = new Map([['a==1', cost(10, 100)]]);
  const statistics = new CallStatistics(known);
  statistics.noteImport(['a==1'], { ms: 50, kb: 700 });
  expect(statistics.costs.get('a==1')).toEqual(cost(50, 700));
  expect(known.get('a==1')).toEqual(cost(10, 100));
});
