import { readFile } from 'node:fs/promises';
import type { BenchRow } from './bench.ts';
import { summarize } from './stats.ts';

const LINE = /^(\S+): (\d+) us$/;

/** Reads a `benchmark_log`: for each step in `order` a row, in ms. Steps that are not in the file are left out. */
export async function readSteps(
  file: string,
  order: readonly (readonly [string, string])[],
): Promise<BenchRow[]> {
  const samples = new Map<string, number[]>();
  for (const line of (await readFile(file, 'utf8')).split('\n')) {
    const [, step, us] = LINE.exec(line) ?? [];
    if (step === undefined) continue;
    const list = samples.get(step) ?? [];
    list.push(Number(us) / 1000);
    samples.set(step, list);
  }
  return order.flatMap(([step, about]) => {
    const list = samples.get(step);
    return list === undefined ? [] : [{ what: `&nbsp;&nbsp;\`${step}\` ${about}`, ...summarize(list) }];
  });
}
