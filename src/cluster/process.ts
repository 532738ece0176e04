import { readFileSync, readlinkSync } from 'node:fs';
import { basename } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { OlError } from '../errors.ts';
import { isProcessGone } from '../linux/process-gone.ts';

/**
 * A process, for as long as it lives and never afterwards: a process id is given out again, its start time in clock
 * ticks since boot (field 22 of /proc/<pid>/stat) with the same id is not.
 */
export interface ProcessId {
  readonly pid: number;
  readonly startTicks: number;
}

/**
 * When the process started, or null where there is none. A zombie counts as gone: nothing of it runs, and a
 * container whose first process never reaps keeps it for ever. (The first process of a pid namespace becomes a
 * zombie only after every process of the namespace has ended.)
 */
export function startTicks(pid: number): number | null {
  const stat = readProc(pid, 'stat');
  if (stat === null) return null;
  // The name, in parentheses, may hold spaces and parentheses itself.
  const [state, ...rest] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  if (state === 'Z' || state === 'X') return null;
  return Number(rest[18]);
}

/** Is this very process still there? */
export function isAlive(pid: number, ticks: number): boolean {
  return startTicks(pid) === ticks;
}

/** The process with this id as it is now, or null. */
export function identify(pid: number): ProcessId | null {
  const ticks = startTicks(pid);
  return ticks === null ? null : { pid, startTicks: ticks };
}

/** Node's name for the thread that a process is listed by, whatever it runs. */
const NODE_THREAD = 'MainThread';

/** The program's name, or null where the process is gone. */
export function processName(pid: number): string | null {
  const name = readProc(pid, 'comm')?.trimEnd() ?? null;
  if (name !== NODE_THREAD) return name;
  return basename(processArgs(pid)?.[0] ?? name);
}

/** The program's arguments, or null where the process is gone. */
export function processArgs(pid: number): readonly string[] | null {
  return readProc(pid, 'cmdline')?.split('\0').slice(0, -1) ?? null;
}

/** The working directory, or null where the process is gone or another user's. */
export function processCwd(pid: number): string | null {
  try {
    return readlinkSync(`/proc/${pid}/cwd`);
  } catch (error) {
    if (isProcessGone(error) || (error as NodeJS.ErrnoException).code === 'EACCES') return null;
    throw error;
  }
}

/** Sends a signal to this very process. False where it is gone; throws ERR_NOT_ROOT where it is another user's. */
export function signal(id: ProcessId, name: NodeJS.Signals): boolean {
  if (!isAlive(id.pid, id.startTicks)) return false;
  try {
    process.kill(id.pid, name);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ESRCH') return false;
    if (code === 'EPERM') throw new OlError('ERR_NOT_ROOT', {}, { cause: error });
    throw error;
  }
}

/** Waits until all are gone, at most `timeoutMs`; returns those that are still there. */
export async function waitGone(ids: readonly ProcessId[], timeoutMs: number): Promise<readonly ProcessId[]> {
  const end = performance.now() + timeoutMs;
  for (;;) {
    const left = ids.filter((id) => isAlive(id.pid, id.startTicks));
    if (left.length === 0 || performance.now() >= end) return left;
    await sleep(10);
  }
}

function readProc(pid: number, file: string): string | null {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch (error) {
    if (isProcessGone(error)) return null;
    throw error;
  }
}
