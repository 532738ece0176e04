/** The time is counted in so many ticks of this process: where it was held up itself, or the machine slept, that is one tick. */
const TICKS = 5;

/** Notices that somebody who owes answers has given none for a while: a process that was stopped, or that hangs. */
export class Silence {
  readonly #tickMs: number;
  readonly #onSilent: () => void;
  #timer: NodeJS.Timeout | null = null;
  #ticks = 0;

  /** `onSilent` is called once, and nothing is noticed after it. */
  constructor(limitMs: number, onSilent: () => void) {
    this.#tickMs = limitMs / TICKS;
    this.#onSilent = onSilent;
  }

  /** An answer is owed. The time goes on where one was owed already. */
  owed(): void {
    if (this.#timer !== null) return;
    this.#ticks = 0;
    this.#next();
  }

  /** One has come; `owesMore` tells whether others are still owed. */
  heard(owesMore: boolean): void {
    this.end();
    if (owesMore) this.owed();
  }

  end(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  #next(): void {
    // Timers come before input: what has arrived meanwhile is looked at before the tick counts.
    const timer = setTimeout(() => setImmediate(() => this.#tick(timer)), this.#tickMs).unref();
    this.#timer = timer;
  }

  #tick(timer: NodeJS.Timeout): void {
    if (this.#timer !== timer) return;
    this.#ticks++;
    if (this.#ticks < TICKS) this.#next();
    else this.#onSilent();
  }
}
