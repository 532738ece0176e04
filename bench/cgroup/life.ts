import { setImmediate as nextTurn } from 'node:timers/promises';
import type { CgroupLimits } from '../../src/cgroup/cgroup.ts';
import { CgroupPool } from '../../src/cgroup/pool.ts';
import { silentLog } from '../../src/telemetry/log.ts';
import { WaitingPython } from '../floors/waiting-python.ts';
import type { Bench, BenchRow } from '../measure/bench.ts';
import { summarize } from '../measure/stats.ts';
import { describeWay, moveInto, openWays, type Way } from './ways.ts';

const LIMITS: CgroupLimits = { memoryMb: 128, pids: 64, cpuPercent: 100 };
const POOL_SIZE = 16;

export const cgroup: Bench = {
  name: 'cgroup',
  about:
    'What is done with a cgroup besides pausing, in each way that this machine has: the one that a worker chooses comes first.',
  async run({ samples }) {
    await using held = new AsyncDisposableStack();
    const ways = openWays(held);
    const rows: BenchRow[] = [];
    for (const way of ways) {
      const times = new Times();
      await live(way, samples, times);
      await look(way, samples, times);
      await take(way, samples, times);
      rows.push(...times.rows(way.by));
    }
    return {
      rows,
      notes: [
        'Of these, only taking from the pool is on the path of a cold start. New ones are made and limited one in a turn of the event loop.',
        'What is reset and destroyed has nothing in it and no cached memory.',
        ...ways.map(describeWay),
      ],
    };
  },
};

/** Samples by what was measured, in the order in which that was first seen. */
class Times {
  readonly #samples = new Map<string, number[]>();

  async of<T>(what: string, act: () => T | Promise<T>): Promise<T> {
    const start = performance.now();
    const result = act();
    // Waiting for what is there already would count as a turn of the microtasks.
    const value = result instanceof Promise ? await result : result;
    const list = this.#samples.get(what) ?? [];
    list.push(performance.now() - start);
    this.#samples.set(what, list);
    return value;
  }

  rows(by: string): BenchRow[] {
    return [...this.#samples].map(([what, all]) => ({ what: `${what} (${by})`, ...summarize(all) }));
  }
}

async function live({ driver }: Way, samples: number, times: Times): Promise<void> {
  for (let round = 0; round < samples; round++) {
    const one = await times.of('create', () => driver.create(`life-${round}`));
    await times.of('set limits', () => one.setLimits(LIMITS));
    await times.of('reset', () => one.reset());
    await times.of('destroy', () => one.destroy());
  }
}

async function look({ driver }: Way, samples: number, times: Times): Promise<void> {
  await using python = await WaitingPython.start();
  const one = driver.create('look');
  await moveInto(one, driver, python.pid);
  for (let round = 0; round < samples; round++) await times.of('usage', () => one.memoryKb());
}

async function take({ driver }: Way, samples: number, times: Times): Promise<void> {
  const pool = new CgroupPool({ driver, size: POOL_SIZE, limits: LIMITS, log: silentLog() });
  for (let turn = 0; turn < POOL_SIZE; turn++) await nextTurn(); // it makes one in each
  for (let round = 0; round < samples; round++) {
    const one = await times.of('take one from the pool', () => pool.take());
    pool.giveBack(one);
    await nextTurn();
  }
  await pool.close();
}
