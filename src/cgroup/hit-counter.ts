import type { Bounds } from './bounds.ts';
import type { CgroupHits } from './cgroup.ts';

const NONE: CgroupHits = { oomKills: 0, memoryRefused: 0, pidsRefused: 0 };

/** The kernel counts from a cgroup's making; this one from its last use. */
export class HitCounter {
  readonly #bounds: Bounds;
  #before: CgroupHits = NONE;
  #held: CgroupHits | null = null;

  constructor(bounds: Bounds) {
    this.#bounds = bounds;
  }

  read(): CgroupHits {
    const now = this.#held ?? this.#bounds.hits();
    return {
      oomKills: now.oomKills - this.#before.oomKills,
      memoryRefused: now.memoryRefused - this.#before.memoryRefused,
      pidsRefused: now.pidsRefused - this.#before.pidsRefused,
    };
  }

  /** Stops counting: from here on it is we who refuse forks. */
  hold(): void {
    this.#held ??= this.#bounds.hits();
  }

  get isHeld(): boolean {
    return this.#held !== null;
  }

  restart(): void {
    this.#before = this.#bounds.hits();
    this.#held = null;
  }
}
