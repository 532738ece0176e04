import type { CpuClock } from './cgroup.ts';
import { ControlFile } from './control-file.ts';

const KEY = 'usage_usec ';

/** CPU time of a group of the v2 tree, which needs no controller: it is counted beside v1's controllers, too. */
export class CpuTime implements CpuClock {
  readonly #stat: ControlFile;

  constructor(dir: string) {
    this.#stat = new ControlFile(`${dir}/cpu.stat`, 'read');
  }

  /** Of all cores together, of what is in the group and below it, and of what was. Up to a tick behind for what runs now. */
  us(): number {
    return this.#stat.readNumber(KEY.length);
  }

  close(): void {
    this.#stat.close();
  }
}
