import fc from 'fast-check';
import { expect, test } from 'vitest';
import { admit, evictionsFor, freeKb, type PoolState } from '../../../src/functions/admission.ts';

/** A pool of 1000, of which 100 stay free. */
function pool(state: Partial<PoolState> = {}): PoolState {
  return {
    poolKb: 1000,
    limitKb: 100,
    usedKb: 0,
    reservedKb: 0,
    ending: 0,
    endingKb: 0,
    active: 1,
    zygotesKb: 0,
    ...state,
  };
}

test('a sandbox is started where it fits beside what is used, what is set aside and the margin', () => {
  expect(admit(pool({ usedKb: 500, reservedKb: 300 }), 100, [])).toEqual({ kind: 'start' });
  expect(admit(pool({ usedKb: 500, reservedKb: 301 }), 100, [])).toEqual({ kind: 'wait' });
});

test('idle sandboxes go first, no more than have to', () => {
  expect(admit(pool({ usedKb: 950 }), 10, [20, 30, 20, 40])).toEqual(evicting(3));
  expect(admit(pool({ usedKb: 950 }), 10, [20, 30])).toEqual(evicting(2));
});

test('what is on its way out is waited for, and nothing more evicted for it', () => {
  const state = pool({ usedKb: 950, ending: 1, endingKb: 60 });
  expect(admit(state, 10, [20, 30])).toEqual({ kind: 'wait' });
  expect(admit(state, 30, [20, 30])).toEqual(evicting(1));
});

test('with nothing that could end, a sandbox is started however full the pool is', () => {
  expect(admit(pool({ usedKb: 5000, active: 0 }), 10, [])).toEqual({ kind: 'start' });
  expect(admit(pool({ usedKb: 5000, active: 0, ending: 1 }), 10, [])).toEqual({ kind: 'wait' });
  expect(admit(pool({ usedKb: 5000, active: 0 }), 10, [1])).toEqual(evicting(1));
});

test('the margin is a quarter of a small pool', () => {
  expect(freeKb(pool({ limitKb: 900 }))).toBe(750);
});

test('idle sandboxes go when the margin has been touched, until it is whole again', () => {
  expect(evictionsFor(pool({ usedKb: 900 }), [10, 10])).toEqual({ idle: 0, zygotesKb: 0 });
  expect(evictionsFor(pool({ usedKb: 915 }), [10, 10, 10])).toEqual({ idle: 2, zygotesKb: 0 });
  const ending = { ending: 1, endingKb: 15 };
  expect(evictionsFor(pool({ usedKb: 915, ...ending }), [10, 10, 10])).toEqual({ idle: 0, zygotesKb: 0 });
});

test('zygotes go for what is missing when all idle sandboxes have gone, and are not touched before', () => {
  const state = pool({ usedKb: 950, zygotesKb: 500 });
  expect(admit(state, 10, [20, 40])).toEqual(evicting(2));
  expect(admit(state, 10, [20, 30])).toEqual(evicting(2, 10));
  expect(admit(state, 10, [])).toEqual(evicting(0, 60));
  expect(evictionsFor(pool({ usedKb: 915, zygotesKb: 500 }), [10])).toEqual({ idle: 1, zygotesKb: 5 });
});

test('zygotes go no more than there are, and then the start waits for a sandbox, or is made', () => {
  expect(admit(pool({ usedKb: 950, zygotesKb: 20 }), 10, [])).toEqual(evicting(0, 20));
  expect(admit(pool({ usedKb: 930, zygotesKb: 0 }), 10, [])).toEqual({ kind: 'wait' });
  expect(admit(pool({ usedKb: 930, active: 0 }), 10, [])).toEqual({ kind: 'start' });
});

test('zygotes on their way out are waited for, however few sandboxes there are', () => {
  const state = pool({ usedKb: 950, active: 0, ending: 1, endingKb: 60, zygotesKb: 500 });
  expect(admit(state, 10, [])).toEqual({ kind: 'wait' });
});

function evicting(idle: number, zygotesKb = 0) {
  return { kind: 'evict', idle, zygotesKb };
}

const kb = fc.nat({ max: 2000 });
const anyState = fc.record({
  poolKb: fc.integer({ min: 1, max: 2000 }),
  limitKb: fc.integer({ min: 1, max: 500 }),
  usedKb: kb,
  reservedKb: kb,
  ending: fc.nat({ max: 3 }),
  endingKb: kb,
  active: fc.nat({ max: 3 }),
  zygotesKb: kb,
});

test('whatever the state: beyond the bound only the last hope starts, and never while an idle one or a zygote is left', () => {
  fc.assert(
    fc.property(anyState, kb, fc.array(kb, { maxLength: 5 }), (state, needKb, idleKb) => {
      const admission = admit(state, needKb, idleKb);
      const fits = state.usedKb + state.reservedKb + needKb <= state.poolKb;
      if (admission.kind === 'start' && !fits) {
        expect([state.active, state.ending, idleKb.length, state.zygotesKb]).toEqual([0, 0, 0, 0]);
      }
      if (admission.kind === 'wait' && state.endingKb < needKb - freeKb(state))
        expect([idleKb.length, state.zygotesKb]).toEqual([0, 0]);
      if (admission.kind === 'evict') {
        const { idle, zygotesKb } = admission;
        expect(idle + zygotesKb).toBeGreaterThan(0);
        expect(idle).toBeLessThanOrEqual(idleKb.length);
        expect(zygotesKb).toBeLessThanOrEqual(state.zygotesKb);
        if (zygotesKb > 0) expect(idle).toBe(idleKb.length);
        // The last one of them is needed, and the last kB of zygotes.
        const freed = (count: number) =>
          idleKb.slice(0, count).reduce((sum, one) => sum + one, state.endingKb);
        if (idle > 0) expect(freed(idle - 1)).toBeLessThan(needKb - freeKb(state));
        if (zygotesKb > 0) expect(freed(idle) + zygotesKb).toBeLessThanOrEqual(needKb - freeKb(state));
      }
    }),
  );
});

/** Requests for sandboxes of some sizes, which serve, become idle, and are evicted, in an order that chance decides. */
test('everyone who waits is served in the end, and what is used stays within the bound', () => {
  const [poolKb, limitKb] = [1000, 200];
  const needs = fc.array(fc.integer({ min: 1, max: limitKb }), { minLength: 1, maxLength: 40 });
  fc.assert(
    fc.property(needs, fc.infiniteStream(fc.nat({ max: 2 })), (waiting, chance) => {
      const [active, idle, ending]: number[][] = [[], [], []];
      const sum = (all: readonly number[] = []) => all.reduce((total, one) => total + one, 0);
      const move = (from: number[] = [], to: number[] = []) => {
        const one = from.shift();
        if (one !== undefined) to.push(one);
        return one !== undefined;
      };
      const left = [...waiting];
      const gone: number[] = [];
      for (let steps = 0; left.length > 0; steps++) {
        expect(steps).toBeLessThan(20 * waiting.length);
        const state = {
          poolKb,
          limitKb,
          usedKb: sum(active) + sum(idle) + sum(ending),
          reservedKb: 0,
          ending: ending?.length ?? 0,
          endingKb: sum(ending),
          active: active?.length ?? 0,
          zygotesKb: 0,
        };
        expect(state.usedKb).toBeLessThanOrEqual(poolKb);
        const admission = admit(state, left[0] ?? 0, idle ?? []);
        if (admission.kind === 'start') move(left, active);
        else if (admission.kind === 'evict') {
          for (let count = admission.idle; count > 0; count--) move(idle, ending);
        } else {
          // Somebody is there to wait for.
          const first = chance.next().value === 0;
          expect(
            first ? move(active, idle) || move(ending, gone) : move(ending, gone) || move(active, idle),
          ).toBe(true);
        }
      }
    }),
  );
});
