import type { CgroupHits, CgroupLimits } from './cgroup.ts';

/** The memory, pids and cpu controllers of one cgroup. */
export interface Bounds {
  set(limits: CgroupLimits): void;
  memoryKb(): number;
  /** Since the cgroup was made. */
  hits(): CgroupHits;
  /** The same of forks alone. */
  forksRefused(): number;
  /** Nothing can be forked in it from now on, until `set`. */
  refuseForks(): void;
  /** Gives back what an empty cgroup still has of cached memory, and forgets what was the most that it had. */
  release(): Promise<void>;
  /** The latter alone. */
  forgetPeak(): void;
}

/** How long the kernel measures before it throttles: cfs' own default, in microseconds. What a new cgroup has. */
export const CPU_PERIOD_US = 100_000;
export const BYTES_PER_KB = 1024;
export const BYTES_PER_MB = 1024 * 1024;

/** Microseconds of cpu in one period, or null for no limit. */
export function cpuQuotaUs({ cpuPercent }: CgroupLimits): number | null {
  return cpuPercent === 0 ? null : Math.round((cpuPercent * CPU_PERIOD_US) / 100);
}

export function memoryBytes({ memoryMb }: CgroupLimits): number | null {
  return memoryMb === 0 ? null : memoryMb * BYTES_PER_MB;
}

export function pidsMax({ pids }: CgroupLimits): string {
  return pids === 0 ? 'max' : String(pids);
}
