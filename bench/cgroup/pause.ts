import { setTimeout as sleep } from 'node:timers/promises';
import type { Cgroup } from '../../src/cgroup/cgroup.ts';
import { BusyPython } from '../floors/busy-python.ts';
import { WaitingPython } from '../floors/waiting-python.ts';
import type { Bench, BenchRow } from '../measure/bench.ts';
import { summarize } from '../measure/stats.ts';
import { describeWay, moveInto, openWays, type Way } from './ways.ts';

/** What has been let go gets to run for so long before it is paused again: as a rule a core has gone to sleep by then. */
const RUN_MS = 1;

export const pause: Bench = {
  name: 'pause',
  about:
    'Pausing a cgroup with one Python process in it, and unpausing it, in each way that this machine has: the one that a worker chooses comes first.',
  async run({ samples }) {
    await using held = new AsyncDisposableStack();
    const ways = openWays(held);
    const rows: BenchRow[] = [await echoFloor(samples)];
    for (const way of ways)
      rows.push(...(await pauseWaiting(way, samples)), ...(await pauseBusy(way, samples)));
    return { rows, notes: ways.map(describeWay) };
  },
};

async function echoFloor(samples: number): Promise<BenchRow> {
  await using python = await WaitingPython.start();
  const times: number[] = [];
  for (let round = 0; round < samples; round++) {
    const start = performance.now();
    await python.echo();
    times.push(performance.now() - start);
    await sleep(RUN_MS);
  }
  return {
    what: 'floor: a byte to the process and back, not paused, after as long a rest',
    ...summarize(times),
  };
}

async function pauseWaiting(way: Way, samples: number): Promise<BenchRow[]> {
  await using python = await WaitingPython.start();
  const rows = await measure(way, python.pid, samples, () => python.echo());
  return rows.map(([what, times]) => ({
    what: `${what} (${way.by}), a sleeping process`,
    ...summarize(times),
  }));
}

async function pauseBusy(way: Way, samples: number): Promise<BenchRow[]> {
  await using python = await BusyPython.start();
  const rows = await measure(way, python.pid, samples, null);
  return rows.map(([what, times]) => ({ what: `${what} (${way.by}), a busy process`, ...summarize(times) }));
}

/** `answered` resolves when the process has answered a byte; null where it does not listen. */
async function measure(
  { driver }: Way,
  pid: number,
  rounds: number,
  answered: (() => Promise<void>) | null,
): Promise<[string, number[]][]> {
  const cgroup = driver.create(`pause-${pid}`);
  // Not even SIGKILL ends what v1's freezer has paused.
  using _ = { [Symbol.dispose]: () => cgroup.unpause() };
  await moveInto(cgroup, driver, pid);
  const times = {
    ordered: [] as number[],
    paused: [] as number[],
    unpaused: [] as number[],
    answered: [] as number[],
  };
  for (let round = 0; round < rounds; round++) {
    const { start, ordered, paused, unpaused } = await pauseOnce(cgroup);
    if (answered !== null) await answered();
    times.answered.push(performance.now() - paused);
    times.ordered.push(ordered - start);
    times.paused.push(paused - start);
    times.unpaused.push(unpaused - paused);
    await sleep(RUN_MS);
  }
  const rows: [string, number[]][] = [
    ['pause, the order alone', times.ordered],
    ['pause, until it has stopped', times.paused],
    ['unpause, the order alone', times.unpaused],
  ];
  return answered === null ? rows : [...rows, ['unpause, and a byte to it and back', times.answered]];
}

async function pauseOnce(cgroup: Cgroup) {
  const start = performance.now();
  const pausing = cgroup.pause();
  const ordered = performance.now();
  await pausing;
  const paused = performance.now();
  cgroup.unpause();
  return { start, ordered, paused, unpaused: performance.now() };
}
