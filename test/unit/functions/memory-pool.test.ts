import { expect, test } from 'vitest';
import { IdleLru } from '../../../src/functions/idle-lru.ts';
import type { Place } from '../../../src/functions/memory-place.ts';
import { type Claimant, MemoryPool } from '../../../src/functions/memory-pool.ts';
import { silentLog } from '../../../src/telemetry/log.ts';

const KB = 1024;

/** A pool of 100 MB for sandboxes of at most 20 MB, of which 20 MB stay free. */
class Scene {
  usedKb = 0;
  reclaimableKb = 0;
  readonly idle = new IdleLru({ maxKb: 1024 * KB });
  readonly pool: MemoryPool;
  /** The names of those that got a place, in their order. */
  readonly started: string[] = [];
  readonly places: Place[] = [];

  constructor() {
    const gauge = { memoryKb: () => this.usedKb, reclaimableKb: () => this.reclaimableKb };
    const limits = { poolMb: 100, limitMb: 20 };
    this.pool = new MemoryPool({ ...limits, gauge, idle: this.idle, log: silentLog() });
  }

  /** A function with requests that came at these times, and asks at once. */
  claim(name: string, requests: number[], needKb: number | null): Claimant {
    const claimant: Claimant = {
      get waitingSince() {
        return requests[0] ?? null;
      },
      needKb,
      roomMade: () => {
        while (requests.length > 0) {
          const place = this.pool.take(claimant);
          if (place === null) return;
          requests.shift();
          this.started.push(name);
          this.places.push(place);
        }
      },
    };
    claimant.roomMade();
    return claimant;
  }

  /** A sandbox that is idle and takes so much; it gives that back as soon as it is evicted. */
  addIdle(memoryKb: number): Place {
    const place = this.pool.take({ waitingSince: 0, needKb: memoryKb, roomMade: () => {} });
    if (place === null) throw new Error('there is no room for it');
    place.settle();
    this.usedKb += memoryKb;
    const evict = () => {
      place.leave(memoryKb);
      queueMicrotask(() => {
        this.usedKb -= memoryKb;
        place.end();
      });
    };
    this.idle.add({ memoryKb, evict });
    return place;
  }
}

test('places are given as long as there is room, what has not shown yet counted in', () => {
  const { started, pool } = scene((one) => one.claim('a', [1, 2, 3, 4, 5, 6], 20 * KB));
  expect(started).toEqual(['a', 'a', 'a', 'a']);
  pool.close();
});

test('one that has answered counts for what it takes', () => {
  const one = scene((it) => it.claim('a', [1, 2, 3, 4, 5], 20 * KB));
  one.usedKb = 1 * KB;
  one.places[0]?.settle();
  one.pool.serve();
  expect(one.started).toHaveLength(4);
  one.places[1]?.settle();
  one.pool.serve();
  expect(one.started).toHaveLength(5);
  one.pool.close();
});

test('those that wait get their places in the order of their requests, whatever function these are of', () => {
  const one = scene((it) => {
    it.claim('a', [1, 2, 3, 4, 6, 9], 20 * KB);
    it.claim('b', [5, 8], 20 * KB);
    it.claim('c', [7], null);
  });
  for (let at = 0; at < 9; at++) one.places[at]?.end();
  expect(one.started.join('')).toBe('aaaabacba');
  one.pool.close();
});

test('a free sandbox is owed to whoever has waited longer, and to nobody who has given up', () => {
  const one = new Scene();
  const requests = [5];
  one.claim('a', [1, 1, 1, 1], 20 * KB);
  const waiting = one.claim('b', requests, 20 * KB);
  const other = one.claim('c', [], 20 * KB);
  expect([one.pool.isOwed(other, 6), one.pool.isOwed(other, 4), one.pool.isOwed(waiting, 6)]).toEqual([
    true,
    false,
    false,
  ]);
  requests.length = 0;
  expect(one.pool.isOwed(other, 6)).toBe(false);
  one.places[0]?.end();
  expect(one.started).toHaveLength(4);
  one.pool.close();
});

test('idle ones go for a start, the oldest first, and it is made when they are gone', async () => {
  const one = new Scene();
  for (const memoryKb of [20 * KB, 20 * KB, 20 * KB, 15 * KB]) one.addIdle(memoryKb);
  one.claim('a', [1], 20 * KB);
  expect([one.started, one.idle.size]).toEqual([[], 3]);
  await Promise.resolve();
  expect([one.started, one.idle.size, one.usedKb]).toEqual([['a'], 3, 55 * KB]);
  one.pool.close();
});

/** Holds so much of the pool; what it gives back is gone when `let go` is called. */
class Lending {
  lendableKb: number;
  readonly #one: Scene;
  #givingBack: (() => void)[] = [];

  constructor(one: Scene, kb: number) {
    this.#one = one;
    this.lendableKb = kb;
    one.usedKb += kb;
    one.pool.borrowFrom(this);
  }

  giveBack(wantedKb: number) {
    const kb = Math.min(wantedKb, this.lendableKb);
    this.lendableKb -= kb;
    const { promise: gone, resolve } = Promise.withResolvers<void>();
    this.#givingBack.push(() => {
      this.#one.usedKb -= kb;
      resolve();
    });
    return { kb, gone };
  }

  async letGo(): Promise<void> {
    for (const one of this.#givingBack.splice(0)) one();
    await Promise.resolve();
  }
}

test('zygotes give back what a start needs, once, and it is made when that is free', async () => {
  const one = new Scene();
  const zygotes = new Lending(one, 75 * KB);
  one.claim('a', [1, 2], 20 * KB);
  expect([one.started, zygotes.lendableKb]).toEqual([[], 60 * KB]);
  // Nobody is at work; it is waited for all the same, and no more is wanted for it.
  one.pool.serve();
  expect([one.started, zygotes.lendableKb]).toEqual([[], 60 * KB]);
  await zygotes.letGo();
  expect([one.started, zygotes.lendableKb]).toEqual([['a'], 40 * KB]);
  await zygotes.letGo();
  expect([one.started, one.usedKb]).toEqual([['a', 'a'], 40 * KB]);
  one.pool.close();
});

test('idle sandboxes go before zygotes', async () => {
  const one = new Scene();
  one.addIdle(20 * KB);
  const zygotes = new Lending(one, 50 * KB);
  one.claim('a', [1], 20 * KB);
  await Promise.resolve();
  expect([one.started, one.idle.size, zygotes.lendableKb]).toEqual([['a'], 0, 50 * KB]);
  one.pool.close();
});

test('what zygotes may take is what is free, with what idle sandboxes have', () => {
  const one = new Scene();
  expect(one.pool.roomKb).toBe(80 * KB);
  one.addIdle(20 * KB);
  expect(one.pool.roomKb).toBe(80 * KB);
  one.claim('a', [1], 20 * KB);
  expect(one.pool.roomKb).toBe(60 * KB);
  one.pool.close();
  const full = new Scene();
  full.usedKb = 90 * KB;
  full.reclaimableKb = 80 * KB;
  expect(full.pool.roomKb).toBe(70 * KB);
});

test('files that the kernel gives up by itself take no room', () => {
  const one = new Scene();
  one.usedKb = 200 * KB;
  one.reclaimableKb = 130 * KB;
  one.addIdle(1 * KB);
  one.claim('a', [1], 5 * KB);
  expect([one.started, one.idle.size]).toEqual([['a'], 1]);
  one.pool.close();
});

test('with nothing that could end, one start is made however full the pool is, and the next one waits for it', () => {
  const one = new Scene();
  one.usedKb = 200 * KB;
  one.claim('a', [1, 2], null);
  expect(one.started).toEqual(['a']);
  one.places[0]?.leave(10 * KB);
  expect(one.started).toEqual(['a']);
  one.places[0]?.end();
  expect(one.started).toEqual(['a', 'a']);
  one.pool.close();
});

test('a place that is told of its end in any order, and more than once, is counted once', () => {
  const one = new Scene();
  for (let round = 0; round < 20; round++) {
    one.claim('a', [round], 60 * KB);
    const place = one.places.at(-1);
    if (round % 2 === 0) place?.leave(60 * KB);
    place?.leave(60 * KB);
    place?.end();
    place?.settle();
    place?.leave(60 * KB);
    place?.end();
  }
  expect(one.started).toHaveLength(20);
  one.pool.close();
});

function scene(act: (one: Scene) => void): Scene {
  const one = new Scene();
  act(one);
  return one;
}
