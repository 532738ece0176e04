import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Deadline } from '../../../src/sandbox/deadline.ts';

let late: number[];
let deadline: Deadline;

beforeEach(() => {
  vi.useFakeTimers();
  late = [];
  deadline = new Deadline((ms) => late.push(ms));
});

afterEach(() => {
  vi.useRealTimers();
});

test('what takes longer than it may is told of once, at its time', () => {
  deadline.set(100);
  vi.advanceTimersByTime(99);
  expect(late).toEqual([]);
  vi.advanceTimersByTime(1000);
  expect(late).toEqual([100]);
});

test('what ends in time is not told of, and what follows has a time of its own', () => {
  for (let round = 0; round < 5; round++) {
    deadline.set(100);
    vi.advanceTimersByTime(70);
    deadline.clear();
  }
  expect(late).toEqual([]);
  deadline.set(100);
  vi.advanceTimersByTime(99);
  expect(late).toEqual([]);
  vi.advanceTimersByTime(1);
  expect(late).toEqual([100]);
});

test('a shorter time after a longer one that is over comes first', () => {
  deadline.set(10_000);
  deadline.clear();
  deadline.set(50);
  vi.advanceTimersByTime(50);
  expect(late).toEqual([50]);
  vi.advanceTimersByTime(20_000);
  expect(late).toEqual([50]);
});

test('one timer serves for all that end in time, and none is left when nothing follows', () => {
  for (let round = 0; round < 1000; round++) {
    deadline.set(100);
    expect(vi.getTimerCount()).toBe(1);
    deadline.clear();
  }
  vi.advanceTimersByTime(100);
  expect([vi.getTimerCount(), late]).toEqual([0, []]);
});

test('closed, it tells of nothing and has no timer', () => {
  deadline.set(100);
  deadline.close();
  deadline.close();
  expect(vi.getTimerCount()).toBe(0);
  vi.advanceTimersByTime(1000);
  expect(late).toEqual([]);
});
