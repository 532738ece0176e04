/** Calls back once, some time after it was asked to. It does not keep the process alive. */
export class Reminder {
  readonly #callback: () => void;
  #isDue = false;

  constructor(callback: () => void) {
    this.#callback = callback;
  }

  /** Does nothing while an earlier call is due: whoever is called back looks at everything, and asks again. */
  after(ms: number): void {
    if (this.#isDue) return;
    this.#isDue = true;
    // Timers come before input: where this process was held up, what has arrived meanwhile is dealt with first.
    setTimeout(() => setImmediate(() => this.#call()), ms).unref();
  }

  #call(): void {
    this.#isDue = false;
    this.#callback();
  }
}
