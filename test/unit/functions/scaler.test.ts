import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { type AtWork, Scaler } from '../../../src/functions/scaler.ts';
import { until } from '../../helpers/poll.ts';

const ONE_SERVES: AtWork = { starting: 0, busy: 1, countLoading: () => 0 };
const ONE_LOADS: AtWork = { starting: 0, busy: 1, countLoading: () => 1 };

function scalerOf({ max = 0, keepMs = 60_000 } = {}) {
  const calls = { quiet: 0, surplus: 0 };
  const scaler = new Scaler({
    max,
    keepMs,
    onQuiet: () => calls.quiet++,
    onSurplus: () => calls.surplus++,
  });
  return { scaler, calls };
}

/** Asks as a function does, each time it is called back, until something is to be started. */
async function startedWhenQuiet(scaler: Scaler, calls: { quiet: number }, atWork: AtWork): Promise<number> {
  let seen = 0;
  return await until('start', () => {
    if (calls.quiet === seen) return null;
    seen = calls.quiet;
    return scaler.toStart(10, atWork, 'as it is quiet') || null;
  });
}

test('while requests wait it calls back, so that a function which hangs gets more instances', async () => {
  const { scaler, calls } = scalerOf();
  expect(scaler.toStart(11, { ...ONE_SERVES, busy: 0 }, 'as something happened')).toBe(1);
  scaler.begun();
  scaler.served({ since: 0, from: 0, to: performance.now(), tookMs: 0.01 });
  expect(scaler.toStart(10, ONE_SERVES, 'as something happened')).toBe(0);
  expect(await startedWhenQuiet(scaler, calls, ONE_SERVES)).toBe(1);
});

test('an instance that still loads is waited for, longer than a start takes', async () => {
  const { scaler, calls } = scalerOf();
  const begin = performance.now();
  expect(scaler.toStart(10, { ...ONE_SERVES, busy: 0 }, 'as something happened')).toBe(1);
  scaler.begun();
  scaler.toStart(10, ONE_LOADS, 'as something happened');
  expect(await startedWhenQuiet(scaler, calls, ONE_LOADS)).toBe(1);
  // Ten times the first guess of 5 ms: a lower bound, so a slow machine does no harm.
  expect(performance.now() - begin).toBeGreaterThanOrEqual(50);
});

test('with nobody waiting, or no room, there is nothing to call back for', async () => {
  const { scaler, calls } = scalerOf({ max: 1 });
  expect(scaler.toStart(10, { ...ONE_SERVES, busy: 0 }, 'as something happened')).toBe(1);
  scaler.begun();
  expect(scaler.toStart(10, ONE_SERVES, 'as something happened')).toBe(0);
  await sleep(50);
  expect(calls.quiet).toBe(0);
});

test('what was learnt of a function decides, until its code is replaced', () => {
  const { scaler } = scalerOf();
  scaler.started(0, 3);
  scaler.served({ since: 0, from: 3, to: 1003, tookMs: 1000 });
  expect(scaler.toStart(20, ONE_SERVES, 'as something happened')).toBe(20);
  scaler.forget();
  expect(scaler.toStart(20, ONE_SERVES, 'as something happened')).toBe(0);
});

test('a wait for an instance that was on its way is not held against the number of instances', () => {
  const { scaler } = scalerOf();
  const now = performance.now();
  scaler.started(now - 100, now - 1);
  for (let count = 0; count < 50; count++)
    scaler.served({ since: now - 100, from: now - 1, to: now - 0.9, tookMs: 0.01 });
  expect(scaler.toStart(10, ONE_SERVES, 'as something happened')).toBe(0);
  for (let count = 0; count < 500; count++)
    scaler.served({ since: now + 1000, from: now + 1010, to: now + 1010.1, tookMs: 0.01 });
  expect(scaler.toStart(10, ONE_SERVES, 'as something happened')).toBe(1);
});

test('it calls back when idle instances may go, and again for those that are not due yet', async () => {
  const { scaler, calls } = scalerOf({ keepMs: 20 });
  scaler.mayDrop();
  scaler.mayDrop();
  await until('call', () => calls.surplus === 1);
  const now = performance.now();
  const idle = [{ idleSince: now - 1000 }, { idleSince: now - 1 }, { idleSince: now }];
  expect(scaler.toDrop(idle, 0)).toBe(1);
  await until('second call', () => calls.surplus === 2);
  expect(scaler.toDrop(idle.slice(1), 0)).toBe(1);
  await sleep(50);
  expect(calls.surplus).toBe(2);
});
