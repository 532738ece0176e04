/** What a place tells its pool; each at most once. */
export interface PlaceEvents {
  settled(): void;
  left(memoryKb: number): void;
  /** With what was said when it left; null where it ended without. */
  gone(memoryKb: number | null): void;
}

/** One sandbox's place in the pool, from before it is made until it is gone. Each step may be told again. */
export class Place {
  readonly #events: PlaceEvents;
  #isSettled = false;
  #isGone = false;
  #leavingKb: number | null = null;

  constructor(events: PlaceEvents) {
    this.#events = events;
  }

  /** It has answered: what it takes is seen from now on. True the first time. */
  settle(): boolean {
    if (this.#isSettled) return false;
    this.#isSettled = true;
    this.#events.settled();
    return true;
  }

  /** It is being destroyed, and not among the idle ones any more. */
  leave(memoryKb: number): void {
    this.settle();
    if (this.#leavingKb !== null || this.#isGone) return;
    this.#leavingKb = memoryKb;
    this.#events.left(memoryKb);
  }

  end(): void {
    if (this.#isGone) return;
    this.settle();
    this.#isGone = true;
    this.#events.gone(this.#leavingKb);
  }
}
