/**
 * A time limit for one thing after another, most of which end long before it. So its timer is left alone when one of them
 * ends, and looks, when it is due, whether what is under way by then has time left: nearly all of them cost no timer.
 */
export class Deadline {
  readonly #onLate: (limitMs: number) => void;
  #limitMs = 0;
  /** In ms of `performance.now()`; infinite while nothing is under way. */
  #at = Number.POSITIVE_INFINITY;
  #timer: NodeJS.Timeout | null = null;
  #timerAt = Number.POSITIVE_INFINITY;

  /** `onLate` is called once for each `set` that is followed by no `clear` or `set` in time, with what that was given. */
  constructor(onLate: (limitMs: number) => void) {
    this.#onLate = onLate;
  }

  /** Something begins that has so many ms. */
  set(ms: number): void {
    this.#limitMs = ms;
    this.#at = performance.now() + ms;
    if (this.#at < this.#timerAt) this.#start(ms);
  }

  /** It has ended. Idempotent. */
  clear(): void {
    this.#at = Number.POSITIVE_INFINITY;
  }

  /** Nothing will follow. Idempotent. */
  close(): void {
    this.clear();
    this.#stop();
  }

  #start(ms: number): void {
    this.#stop();
    this.#timerAt = performance.now() + ms;
    this.#timer = setTimeout(() => this.#due(), ms);
  }

  #stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#timerAt = Number.POSITIVE_INFINITY;
  }

  #due(): void {
    this.#stop();
    if (this.#at === Number.POSITIVE_INFINITY) return;
    const leftMs = this.#at - performance.now();
    if (leftMs > 0) return this.#start(leftMs);
    this.clear();
    this.#onLate(this.#limitMs);
  }
}
