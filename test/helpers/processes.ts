import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** What /proc says of a process. */
export interface ProcessInfo {
  readonly pid: number;
  readonly parent: number;
  /** Since boot, in clock ticks: tells a process from a later one with the same pid. */
  readonly startTicks: number;
  readonly command: string;
  readonly pidNamespace: string;
  readonly netNamespace: string;
}

/** Every process of the machine, as this process sees it; zombies and kernel threads are not in it. */
export function listProcesses(): ProcessInfo[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.map((pid) => readProcess(Number(pid))).filter((process) => process !== null);
}

/** Null where it is gone, or only waits to be reaped. */
export function readProcess(pid: number): ProcessInfo | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name, in parentheses, may hold anything.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (fields[0] === 'Z' || fields[0] === 'X') return null;
    return {
      pid,
      parent: Number(fields[1]),
      startTicks: Number(fields[19]),
      command: readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim(),
      pidNamespace: readlinkSync(`/proc/${pid}/ns/pid`),
      netNamespace: readlinkSync(`/proc/${pid}/ns/net`),
    };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // A kernel thread has no namespaces to show; EACCES is a process that has just let go of its own.
    if (code === 'ENOENT' || code === 'ESRCH' || code === 'EACCES' || code === 'EINVAL') return null;
    throw error;
  }
}

/** True while this very process lives. */
export function isStillThere({ pid, startTicks }: { pid: number; startTicks: number }): boolean {
  return readProcess(pid)?.startTicks === startTicks;
}

/** Every process below this one, and itself. */
export function treeOf(root: number): ProcessInfo[] {
  const all = listProcesses();
  const tree = all.filter(({ pid }) => pid === root);
  for (const process of tree) tree.push(...all.filter(({ parent }) => parent === process.pid));
  return tree;
}
