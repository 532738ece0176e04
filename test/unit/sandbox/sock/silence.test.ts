import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Silence } from '../../../../src/sandbox/sock/silence.ts';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setImmediate', 'clearImmediate'] });
});
afterEach(() => {
  vi.useRealTimers();
});

function silence() {
  const onSilent = vi.fn();
  return { onSilent, silence: new Silence(1000, onSilent) };
}

test('who owes nothing may be silent for ever', () => {
  const { onSilent, silence: one } = silence();
  vi.advanceTimersByTime(10_000);
  one.owed();
  one.heard(false);
  vi.advanceTimersByTime(10_000);
  expect(onSilent).not.toHaveBeenCalled();
});

test('who owes an answer and gives none is told of once', () => {
  const { onSilent, silence: one } = silence();
  one.owed();
  vi.advanceTimersByTime(900);
  one.owed();
  expect(onSilent).not.toHaveBeenCalled();
  vi.advanceTimersByTime(10_000);
  expect(onSilent).toHaveBeenCalledTimes(1);
});

test('each answer gives who owes others the whole time again', () => {
  const { onSilent, silence: one } = silence();
  one.owed();
  for (let answers = 0; answers < 5; answers++) {
    vi.advanceTimersByTime(900);
    one.heard(true);
  }
  expect(onSilent).not.toHaveBeenCalled();
  vi.advanceTimersByTime(1100);
  expect(onSilent).toHaveBeenCalledTimes(1);
});

test('what came while this process was held up counts, however late it is looked at', () => {
  const { onSilent, silence: one } = silence();
  one.owed();
  vi.advanceTimersByTime(900);
  // The last tick is due, and the answer is there: both in the same turn.
  setTimeout(() => one.heard(false), 99);
  vi.advanceTimersByTime(10_000);
  expect(onSilent).not.toHaveBeenCalled();
});

test('nothing is told after the end', () => {
  const { onSilent, silence: one } = silence();
  one.owed();
  one.end();
  vi.advanceTimersByTime(10_000);
  expect(onSilent).not.toHaveBeenCalled();
});
