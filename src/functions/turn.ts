/**
 * Tells requests that came in one turn of the event loop from those of another: what came in one turn had all been sent when
 * the turn began. So what has been looked up for the first of them is as good for the others.
 *
 * Good for what the event loop hands over right after it has waited, as it does with requests. The next turn begins after
 * `setImmediate`, which is before it waits again. (The kernel hands over 1024 ready connections at once; with more of them
 * the event loop takes the rest in the same turn.)
 */
export class Turn {
  #number = 0;
  #isEnding = false;

  /** The same number again for as long as the turn lasts. */
  get number(): number {
    if (!this.#isEnding) {
      this.#isEnding = true;
      setImmediate(() => {
        this.#isEnding = false;
        this.#number++;
      });
    }
    return this.#number;
  }
}
