import { readFile } from 'node:fs/promises';
import type { Bench, BenchRow } from '../measure/bench.ts';
import { allPaused, callNewFunctions } from '../measure/idle.ts';
import { startRig } from '../measure/rig.ts';
import { summarize } from '../measure/stats.ts';

/** kB: room for as many as are asked for. */
const LARGE_CACHE = { handler_cache_size: 2 ** 30 };
const EARLY = 100;
/** So many starts before one and after it are looked at with it. */
const AROUND = 10;

export const density: Bench = {
  name: 'density',
  about: 'Many paused sandboxes on one machine, `--samples` of them, each of a function of its own.',
  async run({ samples }) {
    const before = await availableMb();
    await using rig = await startRig(LARGE_CACHE);
    const empty = await availableMb();
    const times = await callNewFunctions(rig, 0, samples);
    await allPaused(rig, samples);
    const full = await availableMb();
    times.push(...(await callNewFunctions(rig, samples, samples + 1 + AROUND)));
    return {
      rows: [
        { what: `memory of ${samples} paused sandboxes and their worker`, unit: 'MB', value: before - full },
        { what: 'of which each sandbox takes', unit: 'MB', value: (empty - full) / samples },
        startRow(times, Math.min(EARLY, samples)),
        startRow(times, samples + 1),
      ],
      notes: [
        'Memory is what `MemAvailable` of `/proc/meminfo` lost meanwhile, so other programs of the machine change it.',
        `A start is the first call of its function, one after another; its figures are of the ${2 * AROUND} around it.`,
      ],
    };
  },
};

/** The first one is number 1. */
function startRow(times: readonly number[], number: number): BenchRow {
  const around = times.slice(Math.max(0, number - AROUND), number + AROUND);
  return { what: `cold start number ${number}`, ...summarize(around) };
}

async function availableMb(): Promise<number> {
  const kb = /^MemAvailable:\s+(\d+) kB$/m.exec(await readFile('/proc/meminfo', 'utf8'))?.[1];
  if (kb === undefined) throw new Error('/proc/meminfo does not say how much memory is available');
  return Number(kb) / 1024;
}
