/** A sample counts for no more than so many times the estimate: a process that was held up once says little. */
const MOST_TIMES = 4;

/** What a quantity that changes usually is: the mean of the first samples, then one that forgets the old ones. */
export class Estimate {
  readonly #memory: number;
  #count = 0;
  #value = 0;

  /** Beyond `memory` samples, each new one counts for one in `memory`. */
  constructor(memory: number) {
    this.#memory = memory;
  }

  /** Null before the first sample. */
  get value(): number | null {
    return this.#count === 0 ? null : this.#value;
  }

  add(sample: number): void {
    const counted = this.#count === 0 ? sample : Math.min(sample, this.#value * MOST_TIMES);
    if (this.#count < this.#memory) this.#count++;
    this.#value += (counted - this.#value) / this.#count;
  }
}
