import { ControlFile, ifThere, readKey } from '../../cgroup/control-file.ts';
import type { Hierarchy } from '../../cgroup/tree.ts';
import { countingGroup } from './cgroup-of.ts';
import type { MemoryOfContainer } from './memory.ts';

const BYTES_PER_KB = 1024;

/** What the kernel counts for a container, whichever cgroup the daemon has put it in. */
export class ContainerMemory implements MemoryOfContainer {
  readonly #usage: ControlFile;
  readonly #stat: string;
  readonly #inactive: string;
  #isClosed = false;

  /** Of the container that is in these. Null where its cgroup can't be seen from here, or is gone. */
  static open(groups: readonly Hierarchy[]): ContainerMemory | null {
    const group = countingGroup(groups, 'memory');
    if (group === null) return null;
    let memory: ContainerMemory | null = null;
    ifThere(() => {
      memory = new ContainerMemory(group.own, group.version === 1);
    });
    return memory;
  }

  private constructor(dir: string, isV1: boolean) {
    this.#usage = new ControlFile(`${dir}/${isV1 ? 'memory.usage_in_bytes' : 'memory.current'}`, 'read');
    this.#stat = `${dir}/memory.stat`;
    this.#inactive = isV1 ? 'total_inactive_file' : 'inactive_file';
  }

  kb(): number {
    let bytes = 0;
    if (this.#isClosed) return 0;
    ifThere(() => {
      bytes = this.#usage.readNumber();
    });
    return Math.ceil(bytes / BYTES_PER_KB);
  }

  reclaimableKb(): number {
    let bytes = 0;
    if (this.#isClosed) return 0;
    ifThere(() => {
      bytes = readKey(this.#stat, this.#inactive);
    });
    return Math.floor(bytes / BYTES_PER_KB);
  }

  close(): void {
    this.#isClosed = true;
    this.#usage.close();
  }
}
