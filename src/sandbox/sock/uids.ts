import { OlError } from '../../errors.ts';

export const UID_COUNT = 65_536;
const COUNT = UID_COUNT;

/** The host uids of a worker's sandboxes: each has one that no other live sandbox has. */
export class UidPool {
  readonly #base: number;
  readonly #taken = new Set<number>();
  #next = 0;

  /** `base` is the first of 65536 uids that belong to this worker alone. */
  constructor(base: number) {
    this.#base = base;
  }

  /** A free uid, and not one that was given back a moment ago: the search goes round. */
  take(): number {
    if (this.#taken.size === COUNT)
      throw new OlError('ERR_SANDBOX_START', { name: '*', reason: 'all uids are in use' });
    while (this.#taken.has(this.#next)) this.#next = (this.#next + 1) % COUNT;
    const offset = this.#next;
    this.#taken.add(offset);
    this.#next = (offset + 1) % COUNT;
    return this.#base + offset;
  }

  giveBack(uid: number): void {
    this.#taken.delete(uid - this.#base);
  }
}
