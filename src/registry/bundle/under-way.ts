/**
 * Work that goes on while more is found: at most so many pieces at a time. After the first failure no piece is begun, and that
 * failure is thrown when none is under way any more.
 */
export class UnderWay {
  readonly #width: number;
  readonly #pieces = new Set<Promise<void>>();
  #failure: { readonly error: unknown } | null = null;

  constructor(width: number) {
    this.#width = width;
  }

  /** Begins a piece, when one of the others has ended if there are too many. */
  async begin(work: () => Promise<void>): Promise<void> {
    while (this.#pieces.size >= this.#width) await Promise.race(this.#pieces);
    if (this.#failure !== null) await this.settled();
    const piece = work()
      .catch((error: unknown) => {
        this.#failure ??= { error };
      })
      .finally(() => this.#pieces.delete(piece));
    this.#pieces.add(piece);
  }

  /** Waits until nothing is under way. */
  async settled(): Promise<void> {
    await Promise.all(this.#pieces);
    if (this.#failure !== null) throw this.#failure.error;
  }
}
