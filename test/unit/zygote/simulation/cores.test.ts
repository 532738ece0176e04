import { expect, test } from 'vitest';
import { Cores } from '../../../../src/zygote/simulation/cores.ts';

/** Runs jobs of these lengths that all start at once; returns when each ended, in the order of the ends. */
function ends(cores: number, lengths: readonly number[]): number[] {
  const machine = new Cores(cores);
  const at: number[] = [];
  for (const ms of lengths) machine.start(ms, () => at.push(machine.nowMs));
  machine.run(() => at.length === lengths.length);
  return at;
}

test('with a core for each, nobody waits', () => {
  expect(ends(3, [30, 10, 20])).toEqual([10, 20, 30]);
});

test('cores are shared fairly, and whoever is left alone is faster', () => {
  expect(ends(1, [10, 10])).toEqual([20, 20]);
  // Two run for 20 ms, then one for 20 more.
  expect(ends(1, [10, 30])).toEqual([20, 40]);
  expect(ends(2, [10, 10, 10, 10])).toEqual([20, 20, 20, 20]);
});

test('a job may start another one', () => {
  const machine = new Cores(1);
  let ended = 0;
  machine.start(5, () => machine.start(7, () => ended++));
  machine.run(() => ended === 1);
  expect(machine.nowMs).toBe(12);
});

test('it ends where nothing is left to run', () => {
  const machine = new Cores(1);
  machine.run(() => false);
  expect(machine.nowMs).toBe(0);
});
