/** What can be paused and unpaused, each of which takes a while and may fail. */
export interface Pausable {
  pause(): Promise<void>;
  unpause(): Promise<void>;
}

/**
 * Pauses and unpauses as was last asked for. A request may come while a pause is under way: so one step is made after another,
 * and one that nobody wants any more is left out.
 */
export class Pausing {
  readonly #it: Pausable;
  #isWanted = false;
  #is = false;
  #settling: Promise<void> | null = null;

  constructor(it: Pausable) {
    this.#it = it;
  }

  get isWanted(): boolean {
    return this.#isWanted;
  }

  /** Resolves when it is as was last asked for. Rejects with what a step fails with. */
  set(paused: boolean): Promise<void> {
    this.#isWanted = paused;
    this.#settling ??= this.#settle();
    return this.#settling;
  }

  async #settle(): Promise<void> {
    try {
      while (this.#isWanted !== this.#is) {
        const next = this.#isWanted;
        await (next ? this.#it.pause() : this.#it.unpause());
        this.#is = next;
      }
    } finally {
      this.#settling = null;
    }
  }
}
