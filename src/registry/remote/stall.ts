/** Aborts what makes no progress. */
export class Stall {
  readonly #timer: NodeJS.Timeout;
  readonly #own = new AbortController();
  readonly signal: AbortSignal;
  readonly timeoutMs: number;

  /** `closing` aborts it as well. */
  constructor(timeoutMs: number, closing: AbortSignal) {
    this.timeoutMs = timeoutMs;
    this.signal = AbortSignal.any([this.#own.signal, closing]);
    this.#timer = setTimeout(() => this.#own.abort(), timeoutMs);
  }

  /** True where it was silent for too long. */
  get isStalled(): boolean {
    return this.#own.signal.aborted;
  }

  moved(): void {
    this.#timer.refresh();
  }

  end(): void {
    clearTimeout(this.#timer);
  }
}
