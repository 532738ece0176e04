import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  afterAnswer,
  afterStrikes,
  countAt,
  heldForMs,
  NO_STRIKES,
  STRIKES_LAST_MS,
  STRIKES_OF,
  type Strikes,
  startsAllowed,
} from '../../../src/functions/back-off.ts';

/** After so many strikes at this moment, with so many answers before each. */
function struck(times: number, now = 0, answersBefore = 0): Strikes {
  let strikes = NO_STRIKES;
  for (let strike = 0; strike < times; strike++) {
    for (let answer = 0; answer < answersBefore; answer++) strikes = afterAnswer(strikes);
    strikes = afterStrikes(strikes, 1, now);
  }
  return strikes;
}

test('a function that has done nothing may have as many sandboxes as it wants', () => {
  expect(startsAllowed(NO_STRIKES, 0, 10)).toBe(Number.POSITIVE_INFINITY);
});

test('one strike changes nothing, and each one more makes it later, up to half a minute', () => {
  const delays = [1, 2, 3, 4, 5, 6, 100].map((times) => heldForMs(struck(times), 0));
  expect(delays).toEqual([0, 5000, 10_000, 20_000, 30_000, 30_000, 30_000]);
  expect(startsAllowed(struck(1), 0, 10)).toBe(Number.POSITIVE_INFINITY);
});

test('a fork bomb counts two, one that uses up its memory one', () => {
  const once = (code: keyof typeof STRIKES_OF) => heldForMs(afterStrikes(NO_STRIKES, STRIKES_OF[code], 0), 0);
  expect(once('ERR_TOO_MANY_PROCESSES')).toBe(5000);
  expect(once('ERR_OUT_OF_MEMORY')).toBe(0);
  expect(countAt(afterStrikes(struck(4), 2, 0), 0)).toBe(5);
});

test('the time is counted from the last strike', () => {
  const strikes = afterStrikes(struck(1, 1000), 1, 4000);
  expect(heldForMs(strikes, 8999)).toBe(1);
  expect(startsAllowed(strikes, 8999, 0)).toBe(0);
  expect(heldForMs(strikes, 9000)).toBe(0);
});

test('it is no longer than that, however many fractions of a ms the clock tells', () => {
  const moments = Array.from({ length: 100_000 }, (_, tenth) => tenth / 10);
  expect(Math.max(...moments.map((now) => heldForMs(struck(2, now), now)))).toBe(5000);
});

test('when it is over there is one sandbox at a time, until it has answered', () => {
  const strikes = struck(2);
  expect(startsAllowed(strikes, 5000, 0)).toBe(1);
  expect(startsAllowed(strikes, 5000, 1)).toBe(0);
  expect(startsAllowed(afterAnswer(strikes), 5000, 1)).toBe(Number.POSITIVE_INFINITY);
});

test('one that has failed for long has to answer more than once', () => {
  let strikes = struck(100);
  let answers = 0;
  for (; startsAllowed(strikes, 30_000, 1) === 0; answers++) strikes = afterAnswer(strikes);
  expect(answers).toBe(9);
});

test('a function that fails once in eight calls is never held back', () => {
  expect(heldForMs(struck(1000, 0, 7), 0)).toBe(0);
});

test('one that answers every other call, or two of three, is', () => {
  expect(heldForMs(struck(1000, 0, 1), 0)).toBe(30_000);
  expect(heldForMs(struck(1000, 0, 2), 0)).toBeGreaterThanOrEqual(20_000);
});

test('two minutes without a strike take all away', () => {
  const strikes = struck(100);
  expect(countAt(strikes, STRIKES_LAST_MS - 1)).toBe(5);
  expect(startsAllowed(strikes, STRIKES_LAST_MS - 1, 1)).toBe(0);
  expect(countAt(strikes, STRIKES_LAST_MS)).toBe(0);
  expect(startsAllowed(strikes, STRIKES_LAST_MS, 1)).toBe(Number.POSITIVE_INFINITY);
  expect(heldForMs(afterStrikes(strikes, 1, STRIKES_LAST_MS), STRIKES_LAST_MS)).toBe(0);
});

test('a bomb that is called all the time is started about twice a minute', () => {
  let [strikes, now, starts] = [NO_STRIKES, 0, 0];
  for (; now < 600_000; starts++) {
    now += 100; // it takes so long to use up what it may have
    strikes = afterStrikes(strikes, 1, now);
    now += heldForMs(strikes, now);
  }
  expect(starts).toBeLessThanOrEqual(25);
});

test('whatever happens, nobody waits for longer than half a minute', () => {
  const event = fc.record({ isStrike: fc.boolean(), afterMs: fc.nat({ max: 200_000 }) });
  fc.assert(
    fc.property(fc.array(event, { maxLength: 50 }), (events) => {
      let [strikes, now] = [NO_STRIKES, 0];
      for (const { isStrike, afterMs } of events) {
        now += afterMs;
        strikes = isStrike ? afterStrikes(strikes, 1, now) : afterAnswer(strikes);
        expect(heldForMs(strikes, now)).toBeLessThanOrEqual(30_000);
        expect(startsAllowed(strikes, now + 30_000, 0)).toBeGreaterThan(0);
      }
    }),
  );
});
