import type { Bounds } from './bounds.ts';
import type { CgroupHits } from './cgroup.ts';

const NONE: CgroupHits = { oomKills: 0, memoryRefused: 0, pidsRefused: 0 };

/** The kernel counts from a cgroup's making; this one from its last use. */
export class HitCounter {
  readonly #bounds: Bounds;
  #before: CgroupHits = NONE;
  #held: CgroupHits | null = null;
  #last: CgroupHits = NONE;

  constructor(bounds: Bounds) {
    this.#bounds = bounds;
  }

  read(): CgroupHits {
    this.#last = this.#bounds.hits();
    const now = this.#held ?? this.#last;
    return {
      oomKills: now.oomKills - this.#before.oomKills,
      memoryRefused: now.memoryRefused - this.#before.memoryRefused,
      pidsRefused: now.pidsRefused - this.#before.pidsRefused,
    };
  }

  /** The `pidsRefused` of `read`, in a third of its time. */
  forksRefused(): number {
    return (this.#held?.pidsRefused ?? this.#bounds.forksRefused()) - this.#before.pidsRefused;
  }

  /** Stops counting: from here on it is we who refuse forks. */
  hold(): void {
    this.#held ??= this.#bounds.hits();
  }

  get isHeld(): boolean {
    return this.#held !== null;
  }

  /** Counts anew from what was read last: nothing must be able to change it since. */
  restart(): void {
    this.#before = this.#last;
    this.#held = null;
  }
}
