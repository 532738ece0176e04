/** A timer that goes on only while something runs, and waits while that is paused. */
export class RunningClock {
  readonly #onDue: () => void;
  #leftMs = 0;
  #isSet = false;
  #runsSince: number | null = null;
  #timer: NodeJS.Timeout | null = null;

  /** `onDue` is called once for each `set`. */
  constructor(onDue: () => void) {
    this.#onDue = onDue;
  }

  /** Due in so many ms of running, from now on. */
  set(leftMs: number): void {
    this.#isSet = true;
    this.#leftMs = leftMs;
    if (this.#runsSince === null) return;
    this.#runsSince = performance.now();
    this.#start();
  }

  /** It runs. Idempotent. */
  run(): void {
    if (this.#runsSince !== null) return;
    this.#runsSince = performance.now();
    if (this.#isSet) this.#start();
  }

  /** It is paused. Idempotent. */
  rest(): void {
    if (this.#runsSince === null) return;
    this.#leftMs -= performance.now() - this.#runsSince;
    this.#runsSince = null;
    this.#clear();
    // It may run for moments only, each of them too short for the timer.
    if (this.#isSet && this.#leftMs <= 0) this.#due();
  }

  /** Never due any more, until it is set again. */
  stop(): void {
    this.#isSet = false;
    this.#clear();
  }

  #start(): void {
    this.#clear();
    this.#timer = setTimeout(() => this.#due(), Math.max(0, this.#leftMs)).unref();
  }

  #clear(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  #due(): void {
    this.stop();
    this.#onDue();
  }
}
