import { readdirSync } from 'node:fs';
import { getPriority } from 'node:os';
import { check, errnoName, libc } from './libc.ts';

const SYS_sched_setattr = process.arch === 'arm64' ? 274 : 314;
const setattrC = libc('long syscall(long, int, void *, unsigned int)');

/**
 * For how long a process may run, in ns, before one that has been waiting comes first; the kernel's own is some ms. Nobody
 * gets more CPU time by a short one, and nobody less: but what does little at a time comes before what goes on and on. With
 * the kernel's own, a call of 0.1 ms would wait some ms at each of its steps for a neighbour that is busy. The worker's is
 * the shorter one (and the shortest that the kernel takes): it interrupts a sandbox, not the other way round.
 */
const SLICES_NS = { worker: 100_000, sandbox: 400_000 } as const;

/** struct sched_attr of an ordinary process (policy 0), as important as this one. Kernels before 6.12 ignore the slice. */
function ordinary(sliceNs: number): Buffer {
  const attr = Buffer.alloc(48);
  attr.writeUInt32LE(attr.length, 0);
  attr.writeInt32LE(getPriority(), 16);
  attr.writeBigUInt64LE(BigInt(sliceNs), 24);
  return attr;
}

const ATTRIBUTES = {
  worker: ordinary(SLICES_NS.worker),
  sandbox: ordinary(SLICES_NS.sandbox),
  usual: ordinary(0),
};

/** Gives a process and those that it will start their ordinary share of the CPU; returns false where it is gone. */
export function scheduleSandbox(pid: number): boolean {
  return schedule(pid, ATTRIBUTES.sandbox);
}

/**
 * Gives the threads of this process their ordinary share of the CPU, as soon as they have something to do. That is those of V8, too:
 * the one that serves calls waits for them where they collect garbage together. Threads that are started later inherit it.
 */
export function scheduleWorker(): void {
  scheduleThreads(ATTRIBUTES.worker);
}

/** Takes back what `scheduleWorker` has done. */
export function scheduleAsUsual(): void {
  scheduleThreads(ATTRIBUTES.usual);
}

function scheduleThreads(attributes: Buffer): void {
  for (const thread of readdirSync('/proc/self/task')) schedule(Number(thread), attributes);
}

function schedule(pid: number, attributes: Buffer): boolean {
  const result = setattrC(SYS_sched_setattr, pid, attributes, 0);
  if (result < 0 && errnoName() === 'ESRCH') return false;
  check(result, 'sched_setattr', `pid ${pid}`);
  return true;
}
