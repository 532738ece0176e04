import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type Pausable, Pauser } from '../../../src/functions/pauser.ts';

const DELAY_MS = 100;
let pauser: Pauser;
/** The names of those that were paused, in order. */
let paused: string[];

beforeEach(() => {
  vi.useFakeTimers();
  pauser = new Pauser({ delayMs: DELAY_MS });
  paused = [];
});

afterEach(() => {
  vi.useRealTimers();
});

class Member implements Pausable {
  idleSince: number | null = null;
  readonly #name: string;

  constructor(name: string) {
    this.#name = name;
  }

  /** It is idle from now on. */
  rest(): void {
    this.idleSince = performance.now();
    pauser.add(this);
  }

  use(): void {
    this.idleSince = null;
  }

  pause(): void {
    paused.push(this.#name);
  }
}

test('what has been idle for the delay is paused, once', () => {
  const member = new Member('a');
  member.rest();
  vi.advanceTimersByTime(DELAY_MS - 1);
  expect(paused).toEqual([]);
  vi.advanceTimersByTime(1000);
  expect(paused).toEqual(['a']);
});

test('each has a delay of its own', () => {
  const [a, b] = [new Member('a'), new Member('b')];
  a.rest();
  vi.advanceTimersByTime(10);
  b.rest();
  vi.advanceTimersByTime(90);
  expect(paused).toEqual(['a']);
  vi.advanceTimersByTime(9);
  expect(paused).toEqual(['a']);
  vi.advanceTimersByTime(1);
  expect(paused).toEqual(['a', 'b']);
});

test('what is used in between has the whole delay again, however often', () => {
  const member = new Member('a');
  for (let use = 0; use < 10; use++) {
    member.rest();
    vi.advanceTimersByTime(60);
    member.use();
    vi.advanceTimersByTime(1);
  }
  member.rest();
  vi.advanceTimersByTime(DELAY_MS - 1);
  expect(paused).toEqual([]);
  vi.advanceTimersByTime(1);
  expect(paused).toEqual(['a']);
});

test('what is used at its time, or gone, is not paused, and becomes due again when it is idle again', () => {
  const member = new Member('a');
  member.rest();
  vi.advanceTimersByTime(50);
  member.use();
  vi.advanceTimersByTime(1000);
  expect([paused, vi.getTimerCount()]).toEqual([[], 0]);
  member.rest();
  vi.advanceTimersByTime(DELAY_MS);
  expect(paused).toEqual(['a']);
});

test('one timer serves for all, and none is left when nothing is idle, or after its end', () => {
  const members = Array.from({ length: 50 }, (_, at) => new Member(String(at)));
  for (const member of members) {
    member.rest();
    expect(vi.getTimerCount()).toBe(1);
  }
  vi.advanceTimersByTime(DELAY_MS);
  expect([paused.length, vi.getTimerCount()]).toEqual([50, 0]);
  members[0]?.rest();
  pauser.close();
  expect(vi.getTimerCount()).toBe(0);
});
