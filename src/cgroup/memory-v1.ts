import { existsSync } from 'node:fs';
import { BYTES_PER_KB, BYTES_PER_MB } from './bounds.ts';
import type { WholeGroup } from './cgroup.ts';
import { ControlFile, ifThere, readControl, readKey, writeControl } from './control-file.ts';
import { CpuTime } from './cpu-time.ts';

/** Written to a limit of v1, it lifts it. */
export const NO_LIMIT = '-1';

/** The kernel takes from a counter this much at a time: 64 pages. */
const BATCH_BYTES = 64 * 4096;

/** Whether the limit was ever reached. By the peak, because the kernel's own count of it (failcnt) stays 0 on new ones. */
export function hasReachedV1(dir: string, limit: number | null): boolean {
  return limit !== null && Number(readControl(`${dir}/memory.max_usage_in_bytes`)) > limit - BATCH_BYTES;
}

export function forgetPeakV1(dir: string): void {
  writeControl(`${dir}/memory.max_usage_in_bytes`, '0');
}

/** Whether there is a limit on memory and swap together. */
function hasJointLimit(dir: string): boolean {
  return existsSync(`${dir}/memory.memsw.limit_in_bytes`);
}

/** Memory and swap together must never be below memory alone, so the joint limit is lifted first. Null is no limit. */
export function setMemoryV1(dir: string, bytes: number | null): void {
  const limit = String(bytes ?? NO_LIMIT);
  const hasJoint = hasJointLimit(dir);
  if (hasJoint) writeControl(`${dir}/memory.memsw.limit_in_bytes`, NO_LIMIT);
  writeControl(`${dir}/memory.limit_in_bytes`, limit);
  if (hasJoint) writeControl(`${dir}/memory.memsw.limit_in_bytes`, limit);
}

/** The worker's own group in the memory hierarchy of v1. */
export class WholeGroupV1 implements WholeGroup {
  readonly cpuTime: CpuTime | null;
  readonly #dir: string;
  readonly #usage: ControlFile;

  /** Before any cgroup is made in it. `v2Dir` is the worker's own group in the v2 tree, or null where it has none. */
  constructor(dir: string, v2Dir: string | null) {
    this.#dir = dir;
    this.cpuTime = v2Dir === null ? null : new CpuTime(v2Dir);
    countBelow(dir);
    this.#usage = new ControlFile(`${dir}/memory.usage_in_bytes`, 'read');
  }

  setMemoryMb(mb: number): void {
    setMemoryV1(this.#dir, mb === 0 ? null : mb * BYTES_PER_MB);
  }

  memoryKb(): number {
    return Math.ceil(this.#usage.readNumber() / BYTES_PER_KB);
  }

  reclaimableKb(): number {
    return Math.floor(readKey(`${this.#dir}/memory.stat`, 'total_inactive_file') / BYTES_PER_KB);
  }

  close(): void {
    this.cpuTime?.close();
    this.#usage.close();
  }
}

/** Since Linux 5.11 a group always counts what is below it; before, that could be turned off, and was for old groups. */
function countBelow(dir: string): void {
  ifThere(() => {
    const path = `${dir}/memory.use_hierarchy`;
    if (Number(readControl(path)) === 0) writeControl(path, '1');
  });
}
