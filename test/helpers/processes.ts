import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

const SIGKILL_BIT = 1n << 8n;
/** Of the flags in `/proc/<pid>/stat`. */
const PF_EXITING = 4;

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

/** Null where it is gone, only waits to be reaped, or has let go of its namespaces, which is the way there. */
export function readProcess(pid: number): ProcessInfo | null {
  const stat = readStat(pid);
  if (stat === null) return null;
  return ifThere(() => ({
    pid,
    parent: stat.parent,
    startTicks: stat.startTicks,
    command: readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim(),
    pidNamespace: readlinkSync(`/proc/${pid}/ns/pid`),
    netNamespace: readlinkSync(`/proc/${pid}/ns/net`),
  }));
}

/** True while this very process lives, the last steps of its end included. */
export function isStillThere({ pid, startTicks }: { pid: number; startTicks: number }): boolean {
  return readStat(pid)?.startTicks === startTicks;
}

/** Whose child a process is, also of one that is ending; null where it is gone. */
export function parentOf(pid: number): number | null {
  return readStat(pid)?.parent ?? null;
}

function readStat(pid: number): { parent: number; flags: number; startTicks: number } | null {
  const stat = ifThere(() => readFileSync(`/proc/${pid}/stat`, 'utf8'));
  if (stat === null) return null;
  // The name, in parentheses, may hold anything.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  if (fields[0] === 'Z' || fields[0] === 'X') return null;
  return { parent: Number(fields[1]), flags: Number(fields[6]), startTicks: Number(fields[19]) };
}

/** What is read of a process, null where it is gone. A kernel thread has no namespaces to show (ENOENT, too). */
function ifThere<T>(read: () => T): T | null {
  try {
    return read();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ESRCH' || code === 'EACCES' || code === 'EINVAL') return null;
    throw error;
  }
}

/** Every process below this one, and itself. */
export function treeOf(root: number): ProcessInfo[] {
  const all = listProcesses();
  const tree = all.filter(({ pid }) => pid === root);
  for (const process of tree) tree.push(...all.filter(({ parent }) => parent === process.pid));
  return tree;
}

/**
 * The root zygote that this PID 1 of sandboxes has started, or null: the only one of its children in its own user namespace, but for
 * the template of one that is dead, which the kernel has killed before it was a child of PID 1.
 */
export function rootZygoteOf(init: number): number | null {
  const isZygote = (pid: number) => userNamespaceOf(pid) === userNamespaceOf(init) && !isEnding(pid);
  return childrenOf(init).find(isZygote) ?? null;
}

/** True for one that SIGKILL is pending for, or that the kernel is taking apart. */
function isEnding(pid: number): boolean {
  const status = ifThere(() => readFileSync(`/proc/${pid}/status`, 'utf8')) ?? '';
  const pending = [...status.matchAll(/^(?:SigPnd|ShdPnd):\s*([0-9a-f]+)$/gm)].map(([, mask]) =>
    BigInt(`0x${mask}`),
  );
  // After the other: what was pending then, and is not any more, has begun.
  const stat = readStat(pid);
  return stat === null || (stat.flags & PF_EXITING) !== 0 || pending.some((mask) => mask & SIGKILL_BIT);
}

/**
 * The package zygotes that a root zygote has forked: in its pid namespace, in which its sandboxes are not, and not in its user namespace,
 * in which its template is.
 */
export function packageZygotesOf(root: number): number[] {
  const own = readProcess(root)?.pidNamespace;
  return childrenOf(root).filter(
    (pid) => readProcess(pid)?.pidNamespace === own && userNamespaceOf(pid) !== userNamespaceOf(root),
  );
}

/** What a root zygote has sandboxes forked by; null where there is none. */
export function templateOf(root: number): number | null {
  const own = readProcess(root)?.pidNamespace;
  const isTemplate = (pid: number) =>
    readProcess(pid)?.pidNamespace === own && userNamespaceOf(pid) === userNamespaceOf(root);
  return childrenOf(root).find(isTemplate) ?? null;
}

function userNamespaceOf(pid: number): string | null {
  return ifThere(() => readlinkSync(`/proc/${pid}/ns/user`));
}

/** The pids of a process's children; those of its main thread. */
export function childrenOf(pid: number): number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  return text.split(' ').filter(Boolean).map(Number);
}
