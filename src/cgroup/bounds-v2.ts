import { writeFile } from 'node:fs/promises';
import { type Bounds, BYTES_PER_KB, CPU_PERIOD_US, cpuQuotaUs, memoryBytes, pidsMax } from './bounds.ts';
import type { CgroupHits, CgroupLimits } from './cgroup.ts';
import { cgroupError, errnoOf, readControl, readKey, writeControl } from './control-file.ts';
import { setMemoryV2 } from './memory-v2.ts';

/** Asks for as much as there can be. */
const ALL = '1T';

/** The v2 controllers: one directory has all files. */
export class BoundsV2 implements Bounds {
  readonly #dir: string;
  #cpuQuota: number | null = null;

  constructor(dir: string) {
    this.#dir = dir;
    // A sandbox that lost one of its processes to the limit is of no use any more: end all of it.
    writeControl(`${dir}/memory.oom.group`, '1');
  }

  set(limits: CgroupLimits): void {
    setMemoryV2(this.#dir, memoryBytes(limits));
    writeControl(`${this.#dir}/pids.max`, pidsMax(limits));
    const quota = cpuQuotaUs(limits);
    // With each write the kernel goes over all groups of the machine.
    if (quota !== this.#cpuQuota) writeControl(`${this.#dir}/cpu.max`, `${quota ?? 'max'} ${CPU_PERIOD_US}`);
    this.#cpuQuota = quota;
  }

  memoryKb(): number {
    return Math.ceil(Number(readControl(`${this.#dir}/memory.current`)) / BYTES_PER_KB);
  }

  hits(): CgroupHits {
    return {
      oomKills: readKey(`${this.#dir}/memory.events`, 'oom_kill'),
      memoryRefused: readKey(`${this.#dir}/memory.events`, 'oom'),
      pidsRefused: this.forksRefused(),
    };
  }

  forksRefused(): number {
    return readKey(`${this.#dir}/pids.events`, 'max');
  }

  refuseForks(): void {
    writeControl(`${this.#dir}/pids.max`, '0');
  }

  async release(): Promise<void> {
    const path = `${this.#dir}/memory.reclaim`;
    try {
      await writeFile(path, ALL, { flag: 'r+' });
    } catch (error) {
      // EAGAIN: there was less than was asked for. ENOENT: a kernel before 5.19, where the rest is left for its own reclaim.
      if (!['EAGAIN', 'ENOENT'].includes(errnoOf(error) ?? '')) throw cgroupError('write', path, error);
    }
  }

  /** It counts how often the limit was met, and no peak tells it. */
  forgetPeak(): void {}
}
