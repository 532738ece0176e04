import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { instancesToDrop, instancesToStart, type Load, owedAfter } from '../../../src/functions/scaling.ts';

/** A function that is called for the first time, on two cores. */
const NEW: Load = {
  queued: 1,
  starting: 0,
  busy: 0,
  loading: 0,
  max: 100,
  serviceMs: null,
  startMs: 3,
  atOnce: 1,
  quietMs: 0,
  owedMs: 0,
};

describe('situations, as they were met', () => {
  test.each<[string, Partial<Load>, number]>([
    ['the first call', {}, 1],
    ['a hundred first calls: one shows what the function is like', { queued: 100 }, 1],
    ['the rest of them, while that one starts', { queued: 99, starting: 1 }, 0],
    ['the rest of them, while it loads', { queued: 99, busy: 1, loading: 1, quietMs: 6 }, 0],
    ['one that takes forever to load', { queued: 99, busy: 1, loading: 1, quietMs: 30 }, 1],
    ['one that has loaded, and says nothing for the time of a start', { queued: 99, busy: 1, quietMs: 3 }, 1],
    ['the same a round later', { queued: 97, busy: 2, quietMs: 3 }, 2],
    ['and in the last round', { queued: 36, busy: 64, quietMs: 3 }, 36],
    ['sixteen clients of a quick function', { queued: 16, serviceMs: 0.05 }, 1],
    ['the same while one instance serves them', { queued: 15, busy: 1, serviceMs: 0.05 }, 0],
    ['a hundred of them', { queued: 100, serviceMs: 0.1 }, 2],
    ['a hundred calls of a function that sleeps a second', { queued: 100, serviceMs: 1000 }, 100],
    ['sixteen calls that take 2 ms', { queued: 16, serviceMs: 2 }, 4],
    ['a second call that would wait for 20 ms', { queued: 1, busy: 1, serviceMs: 20 }, 1],
    ['a second call that would wait for 1 ms', { queued: 1, busy: 1, serviceMs: 1 }, 0],
    ['ten calls of 5 ms, where a start takes half a second', { queued: 10, serviceMs: 5, startMs: 500 }, 1],
    ['a hundred of 50 ms, on sixteen cores', { queued: 100, serviceMs: 50, atOnce: 8 }, 100],
    ['a quick function that hangs', { queued: 15, busy: 1, serviceMs: 0.05, quietMs: 3 }, 1],
    ['a queue that was there for long', { queued: 15, busy: 1, serviceMs: 0.05, owedMs: 30 }, 1],
    [
      'the same while one starts for it',
      { queued: 15, busy: 1, starting: 1, serviceMs: 0.05, owedMs: 30 },
      0,
    ],
    ['nobody waits', { queued: 0, busy: 5, serviceMs: 1000, quietMs: 100, owedMs: 1000 }, 0],
    ['no room', { queued: 50, busy: 100, serviceMs: 1000, quietMs: 100, owedMs: 1000 }, 0],
    ['room for two', { queued: 50, busy: 97, starting: 1, serviceMs: 1000 }, 2],
    ['more than the bound, which was lowered', { queued: 50, busy: 7, max: 5, serviceMs: 1000 }, 0],
    ['no bound', { queued: 5000, serviceMs: 1000, max: 0 }, 1291],
  ])('%s', (_what, load, count) => {
    expect(instancesToStart({ ...NEW, ...load })).toBe(count);
  });

  test('sixteen quick calls at once come to nothing, a queue of sixteen that lasts does not', () => {
    const served = (count: number, waitedMs: (nth: number) => number) => {
      let owedMs = 0;
      for (let nth = 0; nth < count; nth++)
        owedMs = owedAfter(owedMs, { waitedMs: waitedMs(nth), servedMs: 0.1, startMs: 3 });
      return instancesToStart({ ...NEW, queued: 15, busy: 1, serviceMs: 0.05, owedMs });
    };
    expect(served(16, (nth) => nth * 0.1)).toBe(0);
    expect(served(100, () => 1.5)).toBe(1);
  });
});

const count = fc.nat({ max: 1000 });
const ms = fc.double({ min: 0, max: 100_000, noNaN: true });
const loads: fc.Arbitrary<Load> = fc
  .record({
    queued: count,
    starting: count,
    busy: count,
    loading: count,
    max: count,
    serviceMs: fc.option(ms),
    startMs: fc.double({ min: 1, max: 10_000, noNaN: true }),
    atOnce: fc.integer({ min: 1, max: 64 }),
    quietMs: ms,
    owedMs: ms,
  })
  .map((load) => ({ ...load, loading: Math.min(load.loading, load.busy) }));

describe('whatever the load', () => {
  const always = (property: (load: Load, started: number) => void) =>
    fc.assert(fc.property(loads, (load) => property(load, instancesToStart(load))));

  test('the number is one that can be started: whole, not below 0, never beyond the bound or the queue', () => {
    always(({ queued, starting, busy, max }, started) => {
      expect(Number.isInteger(started)).toBe(true);
      expect(started).toBeGreaterThanOrEqual(0);
      expect(started).toBeLessThanOrEqual(Math.max(0, queued - starting));
      if (max > 0 && started > 0) expect(started + starting + busy).toBeLessThanOrEqual(max);
    });
  });

  test('nobody starves: where requests wait, an instance serves, is being made, or is started', () => {
    always(({ queued, starting, busy }, started) => {
      if (queued > 0) expect(started + starting + busy).toBeGreaterThan(0);
    });
  });

  test('where it is quiet, no instance is on its way, and there is room, one is started', () => {
    always((load) => {
      const { queued, busy, max, startMs } = load;
      const quiet = { ...load, starting: 0, loading: 0, quietMs: startMs };
      if (queued > 0 && (max === 0 || busy < max)) expect(instancesToStart(quiet)).toBeGreaterThan(0);
    });
  });

  test('a longer queue, a slower function or a cheaper start never mean fewer', () => {
    always((load, started) => {
      const { queued, serviceMs, startMs, max } = load;
      const more = [
        { queued: queued + 1 },
        { startMs: Math.max(1, startMs / 2) },
        { serviceMs: (serviceMs ?? 0) * 2 },
      ];
      for (const change of more)
        expect(instancesToStart({ ...load, ...change })).toBeGreaterThanOrEqual(started);
      if (max > 0) expect(instancesToStart({ ...load, max: max + 1 })).toBeGreaterThanOrEqual(started);
    });
  });

  test('what is owed is never less than nothing, nor more than makes for a start', () => {
    fc.assert(
      fc.property(
        ms,
        ms,
        ms,
        fc.double({ min: 1, max: 1000, noNaN: true }),
        (owedMs, waitedMs, servedMs, startMs) => {
          const owed = owedAfter(owedMs, { waitedMs, servedMs, startMs });
          expect(owed).toBeGreaterThanOrEqual(0);
          expect(owed).toBeLessThanOrEqual(10 * startMs);
        },
      ),
    );
  });
});

test('those go that have been idle for too long, but never the last of the function', () => {
  expect(instancesToDrop({ idleMs: [20, 12, 3], others: 0, keepMs: 10 })).toBe(2);
  expect(instancesToDrop({ idleMs: [20, 12, 11], others: 0, keepMs: 10 })).toBe(2);
  expect(instancesToDrop({ idleMs: [20, 12, 11], others: 1, keepMs: 10 })).toBe(3);
  expect(instancesToDrop({ idleMs: [10], others: 0, keepMs: 10 })).toBe(0);
  expect(instancesToDrop({ idleMs: [], others: 5, keepMs: 10 })).toBe(0);
});

test('only those go that were idle for too long, one always stays, and keeping for longer lets fewer go', () => {
  const idle = fc.array(ms, { maxLength: 50 }).map((all) => all.toSorted((a, b) => b - a));
  fc.assert(
    fc.property(idle, fc.nat({ max: 5 }), ms, ms, (idleMs, others, keepMs, longer) => {
      const dropped = instancesToDrop({ idleMs, others, keepMs });
      expect(idleMs.slice(0, dropped).every((one) => one >= keepMs)).toBe(true);
      if (idleMs.length > 0) expect(idleMs.length - dropped + others).toBeGreaterThan(0);
      const left = instancesToDrop({ idleMs, others, keepMs: keepMs + longer });
      expect(left).toBeLessThanOrEqual(dropped);
    }),
  );
});
