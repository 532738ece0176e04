/** Runs what concerns one key one after the other; different keys do not wait for each other. */
export class KeyLock {
  readonly #tails = new Map<string, Promise<unknown>>();

  /** Resolves when all that was to run until now has ended. */
  async idle(): Promise<void> {
    await Promise.all(this.#tails.values());
  }

  async run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(key) ?? Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#tails.set(key, promise);
    try {
      await before;
      return await work();
    } finally {
      if (this.#tails.get(key) === promise) this.#tails.delete(key);
      resolve();
    }
  }
}
