import { OlError } from '../errors.ts';

/** Host uids that are taken one at a time: each sandbox has one that no other live sandbox has. */
export class UidPool {
  readonly #base: number;
  readonly #count: number;
  readonly #taken = new Set<number>();
  #next = 0;

  /** `base` is the first of `count` uids that belong to this pool alone. */
  constructor(base: number, count: number) {
    this.#base = base;
    this.#count = count;
  }

  get isFull(): boolean {
    return this.#taken.size >= this.#count;
  }

  get isUnused(): boolean {
    return this.#taken.size === 0;
  }

  /** A free uid, and not one that was given back a moment ago: the search goes round. */
  take(): number {
    if (this.isFull) throw new OlError('ERR_SANDBOX_START', { name: '*', reason: 'all uids are in use' });
    while (this.#taken.has(this.#next)) this.#next = (this.#next + 1) % this.#count;
    const offset = this.#next;
    this.#taken.add(offset);
    this.#next = (offset + 1) % this.#count;
    return this.#base + offset;
  }

  giveBack(uid: number): void {
    this.#taken.delete(uid - this.#base);
  }
}
