import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { ForkWatch } from '../../../../src/sandbox/forks/fork-watch.ts';
import { silentLog } from '../../../../src/telemetry/log.ts';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** A sandbox that is refused so many forks a second, and how often it was looked at. */
function sandbox(refusedPerSecond = 0) {
  const began = performance.now();
  return {
    id: 'f/1',
    looks: 0,
    over: [] as number[],
    forksRefused() {
      this.looks++;
      return Math.floor(((performance.now() - began) * refusedPerSecond) / 1000);
    },
    asksOnAndOn(refused: number) {
      this.over.push(refused);
    },
  };
}

const watch = () => new ForkWatch({ procsMax: 128, log: silentLog() });

test('one that forks on and on is told so once, and another one is left alone', async () => {
  const forks = watch();
  const [bomb, other] = [sandbox(5000), sandbox(1)];
  forks.watch(bomb);
  forks.watch(other);
  await vi.advanceTimersByTimeAsync(2000);
  expect(bomb.over).toHaveLength(1);
  expect(bomb.over[0]).toBeGreaterThan(64);
  expect(other.over).toEqual([]);
});

test('one that is refused more and more is looked at closely, whatever else runs', async () => {
  const forks = watch();
  const others = Array.from({ length: 10 }, () => sandbox());
  for (const one of others) forks.watch(one);
  await vi.advanceTimersByTimeAsync(500);
  const bomb = sandbox(4000);
  forks.watch(bomb);
  await vi.advanceTimersByTimeAsync(40);
  expect(bomb.over).toHaveLength(1);
});

test('what is paused or has ended is not looked at, and no timer is left for it', async () => {
  const forks = watch();
  const one = sandbox();
  const watched = forks.watch(one);
  watched.rest();
  await vi.advanceTimersByTimeAsync(1000);
  expect([one.looks, vi.getTimerCount()]).toEqual([0, 0]);
  watched.run();
  await vi.advanceTimersByTimeAsync(1000);
  expect(one.looks).toBeGreaterThan(5);
  const { looks } = one;
  watched.end();
  watched.run();
  await vi.advanceTimersByTimeAsync(1000);
  expect([one.looks, vi.getTimerCount()]).toEqual([looks, 0]);
});

test('however many run, there are no more than a thousand looks a second, and each gets its turn', async () => {
  const forks = watch();
  const all = Array.from({ length: 1000 }, () => sandbox());
  for (const one of all) forks.watch(one);
  await vi.advanceTimersByTimeAsync(2000);
  expect(all.reduce((sum, { looks }) => sum + looks, 0)).toBeLessThanOrEqual(2000);
  expect(Math.min(...all.map(({ looks }) => looks))).toBeGreaterThan(0);
});

test('where no descriptor is left to look with, it is looked at later, and what was refused meanwhile is no surprise', async () => {
  const forks = watch();
  const one = sandbox(60);
  const look = one.forksRefused.bind(one);
  one.forksRefused = () => {
    if (performance.now() % 2000 < 1500) throw Object.assign(new Error('EMFILE'), { code: 'EMFILE' });
    return look();
  };
  forks.watch(one);
  await vi.advanceTimersByTimeAsync(1000);
  expect([one.looks, one.over]).toEqual([0, []]);
  await vi.advanceTimersByTimeAsync(9000);
  expect(one.looks).toBeGreaterThan(0);
  expect(one.over).toEqual([]);
});

test('one that cannot be looked at is left alone until it runs again', async () => {
  const forks = watch();
  const one = sandbox();
  let tries = 0;
  one.forksRefused = () => {
    tries++;
    throw new Error('its cgroup is gone');
  };
  const watched = forks.watch(one);
  await vi.advanceTimersByTimeAsync(1000);
  expect(tries).toBe(1);
  watched.run();
  await vi.advanceTimersByTimeAsync(1000);
  expect(tries).toBe(2);
});

test('where this process was held up while it looked, it goes on at once, and Node has nothing to warn of', async () => {
  vi.useRealTimers();
  const warnings: Error[] = [];
  const warned = (warning: Error) => warnings.push(warning);
  process.on('warning', warned);
  onTestFinished(() => {
    process.off('warning', warned);
  });
  const forks = watch();
  const all = Array.from({ length: 20 }, () => sandbox());
  const first = all[0] as (typeof all)[number];
  const look = first.forksRefused.bind(first);
  first.forksRefused = () => {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50);
    return look();
  };
  const watched = all.map((one) => forks.watch(one));
  await vi.waitUntil(() => all.every(({ looks }) => looks > 0));
  for (const one of watched) one.end();
  expect(warnings).toEqual([]);
});
