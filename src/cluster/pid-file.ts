import { readFile } from 'node:fs/promises';
import { identify, type ProcessId, processArgs, processCwd, processName } from './process.ts';
import type { Service } from './service.ts';

/**
 * What the pid file of a service tells. It holds a number alone, and numbers are given out again, so the number is believed only
 * where the process with it was started as this service.
 */
export type PidFile =
  | { readonly kind: 'none' }
  | { readonly kind: 'running'; readonly process: ProcessId }
  /** `program` is what has the number now, null where nothing has. */
  | { readonly kind: 'stale'; readonly pid: number; readonly program: string | null };

export async function readPidFile(service: Service): Promise<PidFile> {
  let text: string;
  try {
    text = await readFile(service.pid, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { kind: 'none' };
    throw error;
  }
  // Anything else than a number is as stale as a number that nothing has.
  const pid = /^\d{1,9}\s*$/.test(text) ? Number(text) : 0;
  const process = pid === 0 ? null : identify(pid);
  if (process === null) return { kind: 'stale', pid, program: null };
  if (isService(pid, service)) return { kind: 'running', process };
  return { kind: 'stale', pid, program: processName(pid) };
}

function isService(pid: number, service: Service): boolean {
  return service.isRunBy(processArgs(pid) ?? [], processCwd(pid) ?? '/');
}
