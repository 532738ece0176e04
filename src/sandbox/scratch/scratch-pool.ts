import { join } from 'node:path';
import { onceThereAreDescriptors } from '../../linux/out-of-descriptors.ts';
import type { Log } from '../../telemetry/log.ts';
import type { ScratchBound } from './scratch-bound.ts';
import { ScratchDir } from './scratch-dir.ts';

export interface ScratchPoolOptions {
  /** Where scratch directories are while no function has them. Empty at first. */
  readonly sparesDir: string;
  readonly uids: UidSource;
  readonly bound: ScratchBound;
  /** How many are kept for use at most. */
  readonly keep: number;
  readonly log: Log;
}

/** Where uids come from that nobody else has. */
export interface UidSource {
  take(): number;
  giveBack(uid: number): void;
}

/** Scratch directories that are used again, each with the uid that it belongs to. */
export class ScratchPool {
  readonly #options: ScratchPoolOptions;
  readonly #free: ScratchDir[] = [];
  #isClosed = false;

  constructor(options: ScratchPoolOptions) {
    this.#options = options;
  }

  /** A scratch directory that nobody else has, nor its uid. Throws what the kernel refuses; nothing is lost then. */
  take(): ScratchDir {
    return this.#free.pop() ?? this.#make();
  }

  /** Takes it back from a sandbox whose processes are all gone. Never rejects. */
  async giveBack(dir: ScratchDir): Promise<void> {
    if (this.#isClosed || this.#free.length >= this.#options.keep || !this.#renew(dir))
      await this.#discard(dir);
    else this.#free.push(dir);
  }

  /** Takes it back as `giveBack` does, and nobody gets it again. */
  async discard(dir: ScratchDir): Promise<void> {
    await this.#discard(dir);
  }

  /** Removes those that are free; what comes back from now on is removed then. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all(this.#free.splice(0).map((dir) => this.#discard(dir)));
  }

  #make(): ScratchDir {
    const { uids, bound, sparesDir } = this.#options;
    const uid = uids.take();
    try {
      return new ScratchDir(join(sparesDir, String(uid)), uid, (dir) => bound.hold(dir, uid));
    } catch (error) {
      bound.lift(uid);
      uids.giveBack(uid);
      throw error;
    }
  }

  #renew(dir: ScratchDir): boolean {
    try {
      return dir.renew();
    } catch (error) {
      this.#options.log.warn(
        { err: error, dir: dir.path },
        'scratch could not be made like new: removing it',
      );
      return false;
    }
  }

  async #discard(dir: ScratchDir): Promise<void> {
    try {
      await onceThereAreDescriptors(() => dir.remove());
      this.#options.bound.lift(dir.uid);
      this.#options.uids.giveBack(dir.uid);
    } catch (error) {
      // Its uid stays taken: what is left there belongs to it.
      this.#options.log.error({ err: error, dir: dir.path }, 'scratch not removed');
    }
  }
}
