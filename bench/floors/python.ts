import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { SpreadRow } from '../measure/bench.ts';
import { summarize } from '../measure/stats.ts';

export const PYTHON = '/usr/bin/python3';
const FORKS = fileURLToPath(new URL('fork.py', import.meta.url));

/** Starting Python, doing nothing, and ending: what a sandbox without a zygote would cost at least. */
export async function pythonFloor(samples: number): Promise<SpreadRow> {
  const times: number[] = [];
  for (let i = 0; i < samples; i++) {
    const start = performance.now();
    await once(spawn(PYTHON, ['-I', '-S', '-c', 'pass'], { stdio: 'ignore' }), 'exit');
    times.push(performance.now() - start);
  }
  return { what: 'floor: a bare Python start (`python3 -I -S -c pass`)', ...summarize(times) };
}

/** Forking a bare Python and waiting for the child to end, without any isolation. */
export async function forkFloor(samples: number): Promise<SpreadRow> {
  const { stdout } = await promisify(execFile)(PYTHON, ['-I', '-S', FORKS, String(samples)]);
  return { what: 'floor: a bare fork in Python, and its end', ...summarize(JSON.parse(stdout) as number[]) };
}
