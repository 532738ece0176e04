import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { LoadOptions, LoadResult } from './load.ts';

const PROGRAM = fileURLToPath(new URL('load.ts', import.meta.url));

/** Puts load on a server, from a process of its own. Rejects where an answer is not 200. */
export async function runLoad(options: LoadOptions): Promise<LoadResult> {
  const { stdout } = await promisify(execFile)(process.execPath, [PROGRAM, JSON.stringify(options)]);
  return JSON.parse(stdout) as LoadResult;
}

/** How long to keep it up: 5 s for the 1000 samples that are usual. */
export function loadSeconds(samples: number): number {
  return Math.min(5, Math.max(0.5, samples / 200));
}
