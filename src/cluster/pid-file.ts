import { readFile } from 'node:fs/promises';
import type { WorkerPaths } from './paths.ts';
import { identify, type ProcessId, processArgs, processName } from './process.ts';
import { workerArgs } from './spawn.ts';

/**
 * What a worker's pid file tells. It holds a number alone, and numbers are given out again, so the number is believed only
 * where the process with it was started as this worker.
 */
export type PidFile =
  | { readonly kind: 'none' }
  | { readonly kind: 'worker'; readonly process: ProcessId }
  /** `program` is what has the number now, null where nothing has. */
  | { readonly kind: 'stale'; readonly pid: number; readonly program: string | null };

export async function readPidFile(worker: WorkerPaths): Promise<PidFile> {
  let text: string;
  try {
    text = await readFile(worker.pid, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { kind: 'none' };
    throw error;
  }
  // Anything else than a number is as stale as a number that nothing has.
  const pid = /^\d{1,9}\s*$/.test(text) ? Number(text) : 0;
  const process = pid === 0 ? null : identify(pid);
  if (process === null) return { kind: 'stale', pid, program: null };
  if (isWorker(pid, worker)) return { kind: 'worker', process };
  return { kind: 'stale', pid, program: processName(pid) };
}

function isWorker(pid: number, worker: WorkerPaths): boolean {
  const args = processArgs(pid) ?? [];
  return workerArgs(worker.config).every((arg) => args.includes(arg));
}
