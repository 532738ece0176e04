import { ControlFile, readPids } from './control-file.ts';
import type { Freezer } from './freezer.ts';

const FROZEN = Buffer.from('FROZEN');
const THAWED = Buffer.from('THAWED');

/**
 * The v1 freezer. Each write takes some 90 us, and a process in it does not die, not even of SIGKILL, until it is thawed.
 */
export class FreezerV1 implements Freezer {
  readonly dir: string;
  readonly mustThawToKill = true;
  readonly #state: ControlFile;

  constructor(dir: string) {
    this.dir = dir;
    this.#state = new ControlFile(`${dir}/freezer.state`, 'both');
  }

  freeze(): void {
    this.#state.write(FROZEN);
  }

  thaw(): void {
    this.#state.write(THAWED);
  }

  /** Reading makes the kernel look: FREEZING becomes FROZEN only then. */
  isFrozen(): boolean {
    return this.#state.startsWith(FROZEN);
  }

  isEmpty(): boolean {
    return readPids(this.dir).length === 0;
  }

  killAtOnce(): boolean {
    return false;
  }

  close(): void {
    this.#state.close();
  }
}
