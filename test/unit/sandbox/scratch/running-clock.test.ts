import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { RunningClock } from '../../../../src/sandbox/scratch/running-clock.ts';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

function make() {
  const due = vi.fn();
  return { due, clock: new RunningClock(due) };
}

test('it is due when it has run for long enough', () => {
  const { due, clock } = make();
  clock.set(100);
  clock.run();
  vi.advanceTimersByTime(99);
  expect(due).toHaveBeenCalledTimes(0);
  vi.advanceTimersByTime(1000);
  expect(due).toHaveBeenCalledTimes(1);
});

test('time in which it rests does not count', () => {
  const { due, clock } = make();
  clock.set(100);
  for (let round = 0; round < 9; round++) {
    clock.run();
    clock.run();
    vi.advanceTimersByTime(10);
    clock.rest();
    clock.rest();
    vi.advanceTimersByTime(1000);
  }
  expect(due).toHaveBeenCalledTimes(0);
  clock.run();
  vi.advanceTimersByTime(10);
  expect(due).toHaveBeenCalledTimes(1);
});

test('set again while it rests, it waits for it to run; while it runs, it begins anew', () => {
  const { due, clock } = make();
  clock.set(100);
  vi.advanceTimersByTime(500);
  clock.run();
  vi.advanceTimersByTime(60);
  clock.set(100);
  vi.advanceTimersByTime(60);
  expect(due).toHaveBeenCalledTimes(0);
  vi.advanceTimersByTime(40);
  expect(due).toHaveBeenCalledTimes(1);
});

test('stopped, it is never due', () => {
  const { due, clock } = make();
  clock.set(100);
  clock.run();
  clock.stop();
  vi.advanceTimersByTime(1000);
  clock.rest();
  clock.run();
  vi.advanceTimersByTime(1000);
  expect(due).toHaveBeenCalledTimes(0);
});
