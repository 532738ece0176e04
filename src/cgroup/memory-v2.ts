import { existsSync } from 'node:fs';
import { BYTES_PER_KB, BYTES_PER_MB } from './bounds.ts';
import type { WholeGroup } from './cgroup.ts';
import { ControlFile, readKey, writeControl } from './control-file.ts';
import { CpuTime } from './cpu-time.ts';

/** Null is no limit. Swap would let a group grow beyond its limit, and slow all others down. */
export function setMemoryV2(dir: string, bytes: number | null): void {
  writeControl(`${dir}/memory.max`, String(bytes ?? 'max'));
  // The file is missing where swap is not counted.
  const swap = `${dir}/memory.swap.max`;
  if (existsSync(swap)) writeControl(swap, bytes === null ? 'max' : '0');
}

/** The worker's own group on v2. */
export class WholeGroupV2 implements WholeGroup {
  readonly cpuTime: CpuTime;
  readonly #dir: string;
  readonly #usage: ControlFile;

  constructor(dir: string) {
    this.#dir = dir;
    this.#usage = new ControlFile(`${dir}/memory.current`, 'read');
    this.cpuTime = new CpuTime(dir);
  }

  setMemoryMb(mb: number): void {
    setMemoryV2(this.#dir, mb === 0 ? null : mb * BYTES_PER_MB);
  }

  memoryKb(): number {
    return Math.ceil(this.#usage.readNumber() / BYTES_PER_KB);
  }

  reclaimableKb(): number {
    return Math.floor(readKey(`${this.#dir}/memory.stat`, 'inactive_file') / BYTES_PER_KB);
  }

  close(): void {
    this.cpuTime.close();
    this.#usage.close();
  }
}
