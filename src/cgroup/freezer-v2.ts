import { ControlFile, errnoOf, ifThere, readKey, writeControl } from './control-file.ts';
import type { Freezer } from './freezer.ts';

const FREEZE = Buffer.from('1');
const THAW = Buffer.from('0');

/** What a process writes to in order to get into a group of the v2 tree. */
export function entryFileV2(dir: string): string {
  return `${dir}/cgroup.procs`;
}

/** The core files of the v2 tree, which need no controller: they also work beside v1's controllers. */
export class FreezerV2 implements Freezer {
  readonly dir: string;
  readonly mustThawToKill = false;
  readonly #freeze: ControlFile;

  constructor(dir: string) {
    this.dir = dir;
    this.#freeze = new ControlFile(`${dir}/cgroup.freeze`, 'write');
  }

  freeze(): void {
    this.#freeze.write(FREEZE);
  }

  thaw(): void {
    this.#freeze.write(THAW);
  }

  isFrozen(): boolean {
    return readKey(`${this.dir}/cgroup.events`, 'frozen') === 1;
  }

  isEmpty(): boolean {
    let populated = 0;
    ifThere(() => {
      populated = readKey(`${this.dir}/cgroup.events`, 'populated');
    });
    return populated === 0;
  }

  killAtOnce(): boolean {
    try {
      writeControl(`${this.dir}/cgroup.kill`, '1');
      return true;
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw error; // there since Linux 5.14
      return false;
    }
  }

  close(): void {
    this.#freeze.close();
  }
}
