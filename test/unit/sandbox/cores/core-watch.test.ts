import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { CoreWatch } from '../../../../src/sandbox/cores/core-watch.ts';
import { silentLog } from '../../../../src/telemetry/log.ts';

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** A machine of two cores, and the watch on it. */
class Machine {
  /** How many cores sandboxes take. */
  taken = 0;
  looks = 0;
  isBroken = false;
  readonly told: boolean[] = [];
  crowdedMs = 0;
  readonly watch = new CoreWatch({
    cores: 2,
    cpuTime: { us: () => this.#cpuUs() },
    whenCrowded: (is) => this.told.push(is),
    crowdedFor: (ms) => {
      this.crowdedMs += ms;
    },
    log: silentLog(),
  });
  #at = performance.now();
  #usedUs = 0;

  #cpuUs(): number {
    if (this.isBroken) throw new Error('it has been removed');
    this.looks++;
    this.#usedUs += this.taken * (performance.now() - this.#at) * 1000;
    this.#at = performance.now();
    return this.#usedUs;
  }
}

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);

test('tells that cores are crowded, once, and that they are not, some time after they were last', async () => {
  const machine = new Machine();
  machine.watch.watch({});
  await pass(200);
  machine.taken = 1.8;
  await pass(500);
  expect(machine.told).toEqual([true]);
  machine.taken = 0.5;
  await pass(90);
  expect(machine.told).toEqual([true]);
  await pass(30);
  expect(machine.told).toEqual([true, false]);
  expect([machine.crowdedMs > 590, machine.crowdedMs < 620]).toEqual([true, true]);
});

test('a moment in between does not count', async () => {
  const machine = new Machine();
  machine.watch.watch({});
  for (let round = 0; round < 20; round++) {
    machine.taken = 1.8;
    await pass(100);
    machine.taken = 0.5;
    await pass(50);
  }
  expect(machine.told).toEqual([true]);
});

test('sandboxes that start and end do not crowd them, whatever they take; one that goes on does', async () => {
  const machine = new Machine();
  machine.taken = 1.8;
  for (let round = 0; round < 20; round++) {
    const watched = machine.watch.watch({});
    await pass(30);
    watched.end();
  }
  expect(machine.told).toEqual([]);
  const watched = machine.watch.watch({});
  await pass(30);
  watched.run(); // it gets its next call
  await pass(40);
  expect(machine.told).toEqual([true]);
});

test('while all are paused nobody looks, and no timer is left, but to tell that it is over', async () => {
  const machine = new Machine();
  const watched = machine.watch.watch({});
  machine.taken = 1.8;
  await pass(100);
  machine.taken = 0;
  watched.rest();
  await pass(200);
  expect([machine.told, vi.getTimerCount()]).toEqual([[true, false], 0]);
  const { looks } = machine;
  await pass(1000);
  expect(machine.looks).toBe(looks);
  watched.run();
  await pass(100);
  expect(machine.looks).toBeGreaterThan(looks);
});

test('one that has ended does not run again', async () => {
  const machine = new Machine();
  const watched = machine.watch.watch({});
  watched.end();
  watched.run();
  await pass(1000);
  expect(vi.getTimerCount()).toBe(0);
});

test.each(['closed', 'broken'])('one that is %s tells that it is over, and looks no more', async (how) => {
  const machine = new Machine();
  const watched = machine.watch.watch({});
  machine.taken = 1.8;
  await pass(100);
  if (how === 'closed') machine.watch.close();
  else machine.isBroken = true;
  await pass(10);
  machine.isBroken = false;
  const { looks } = machine;
  watched.run();
  await pass(1000);
  expect([machine.told, machine.looks, vi.getTimerCount()]).toEqual([[true, false], looks, 0]);
});
