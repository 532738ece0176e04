import { compareKeys, lowerBound } from './key-order.ts';

/** A map whose keys are also kept in S3's order. Putting a new key moves what is behind it: 8 bytes a key. */
export class KeyIndex<V> {
  readonly #values = new Map<string, V>();
  #keys: string[] = [];

  static from<V>(entries: Iterable<readonly [string, V]>): KeyIndex<V> {
    const index = new KeyIndex<V>();
    for (const [key, value] of entries) index.#values.set(key, value);
    index.#keys = [...index.#values.keys()].sort(compareKeys);
    return index;
  }

  get size(): number {
    return this.#keys.length;
  }

  /** In order. */
  get keys(): readonly string[] {
    return this.#keys;
  }

  get(key: string): V | undefined {
    return this.#values.get(key);
  }

  set(key: string, value: V): void {
    if (!this.#values.has(key)) this.#keys.splice(lowerBound(this.#keys, key), 0, key);
    this.#values.set(key, value);
  }

  delete(key: string): void {
    if (this.#values.delete(key)) this.#keys.splice(lowerBound(this.#keys, key), 1);
  }
}
