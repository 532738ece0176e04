/**
 * `npm run soak -- [--minutes=60] [--seed=1]`: a worker under mixed load with functions that die, on a schedule that the seed
 * makes. What it holds at the end has to equal what it held after the first five minutes. Prints a table; fails otherwise.
 */
import { parseArgs } from 'node:util';
import { type Sample, TOLERANCE } from './sample.ts';
import { Soak } from './soak.ts';

const MINUTE_MS = 60_000;
const WARM_UP_MINUTES = 5;

function numberFrom(text: string, name: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new Error(`--${name}=${text}: a number above 0`);
  return value;
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

function row(cells: readonly (string | number)[]): string {
  return cells.map((cell, at) => (at === 0 ? String(cell).padEnd(20) : String(cell).padStart(14))).join('');
}

/** The rows of the table, and what there is too much of. */
function compare(before: Sample, after: Sample): { readonly rows: string[]; readonly grown: string[] } {
  const keys = Object.keys(TOLERANCE) as (keyof Sample)[];
  const isGrown = (key: keyof Sample) => after[key] > before[key] + TOLERANCE[key](before[key]);
  const rows = keys.map((key) => {
    const allowed = Math.round(before[key] + TOLERANCE[key](before[key]));
    return row([key, before[key], after[key], allowed, isGrown(key) ? 'too much' : 'ok']);
  });
  return { rows, grown: keys.filter(isGrown) };
}

/** V8 lets its heap grow for as long as there is memory: in a small one, what is never freed shows soon. */
const SMALL_HEAP = '--max-semi-space-size=1 --max-old-space-size=96';

async function main(): Promise<boolean> {
  const options = {
    minutes: { type: 'string', default: '60' },
    seed: { type: 'string', default: '1' },
  } as const;
  const { values } = parseArgs({ options });
  const [minutes, seed] = [numberFrom(values.minutes, 'minutes'), numberFrom(values.seed, 'seed')];
  const warmUp = Math.min(WARM_UP_MINUTES, minutes / 4);
  process.env.NODE_OPTIONS = SMALL_HEAP;
  await using soak = await Soak.open(seed);
  await soak.run(warmUp * MINUTE_MS);
  const before = await soak.sample();
  await soak.run((minutes - warmUp) * MINUTE_MS);
  const after = await soak.sample();
  const { rows, grown } = compare(before, after);
  print(`${minutes} minutes, seed ${seed}: ${soak.tally.calls} calls`);
  for (const [outcome, count] of [...soak.tally.outcomes].sort()) print(row(['', count, `  ${outcome}`]));
  print(row(['', `after ${warmUp} min`, 'at the end', 'at most', '']));
  for (const line of rows) print(line);
  for (const wrong of new Set(soak.tally.wrong)) print(`wrong: ${wrong}`);
  return grown.length === 0 && soak.tally.wrong.length === 0;
}

process.exitCode = (await main()) ? 0 : 1;
