import { writeFile } from 'node:fs/promises';
import { type Bounds, BYTES_PER_KB, cpuQuotaUs, memoryBytes, pidsMax } from './bounds.ts';
import type { CgroupHits, CgroupLimits } from './cgroup.ts';
import { cgroupError, readControl, readKey, writeControl } from './control-file.ts';
import { forgetPeakV1, hasReachedV1, NO_LIMIT, setMemoryV1 } from './memory-v1.ts';

/** One cgroup's directory in each of the v1 hierarchies that bound it. */
export interface BoundsDirsV1 {
  readonly memory: string;
  readonly pids: string;
  readonly cpu: string;
}

/** The v1 controllers. Unlike on v2, an out-of-memory kill ends one process and not all of the cgroup. */
export class BoundsV1 implements Bounds {
  readonly #dirs: BoundsDirsV1;
  #memoryLimit: number | null = null;
  /** A new one has none, and a period of `CPU_PERIOD_US`. */
  #cpuQuota: number | null = null;

  constructor(dirs: BoundsDirsV1) {
    this.#dirs = dirs;
  }

  set(limits: CgroupLimits): void {
    const { cpu, memory, pids } = this.#dirs;
    this.#memoryLimit = memoryBytes(limits);
    setMemoryV1(memory, this.#memoryLimit);
    writeControl(`${pids}/pids.max`, pidsMax(limits));
    const quota = cpuQuotaUs(limits);
    // With each write the kernel goes over all groups of the machine.
    if (quota !== this.#cpuQuota) writeControl(`${cpu}/cpu.cfs_quota_us`, String(quota ?? NO_LIMIT));
    this.#cpuQuota = quota;
  }

  memoryKb(): number {
    return Math.ceil(Number(readControl(`${this.#dirs.memory}/memory.usage_in_bytes`)) / BYTES_PER_KB);
  }

  hits(): CgroupHits {
    return {
      oomKills: readKey(`${this.#dirs.memory}/memory.oom_control`, 'oom_kill'),
      memoryRefused: hasReachedV1(this.#dirs.memory, this.#memoryLimit) ? 1 : 0,
      pidsRefused: this.forksRefused(),
    };
  }

  forksRefused(): number {
    return readKey(`${this.#dirs.pids}/pids.events`, 'max');
  }

  refuseForks(): void {
    writeControl(`${this.#dirs.pids}/pids.max`, '0');
  }

  async release(): Promise<void> {
    const path = `${this.#dirs.memory}/memory.force_empty`;
    try {
      await writeFile(path, '0', { flag: 'r+' });
    } catch (error) {
      throw cgroupError('write', path, error);
    }
    this.forgetPeak();
  }

  forgetPeak(): void {
    forgetPeakV1(this.#dirs.memory);
  }
}
