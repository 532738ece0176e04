import { isOlError, type OlError } from '../../errors.ts';

/** Most names: beyond it the one that was asked for first is forgotten. */
const MAX = 1000;

/** Names that the bucket did not have a moment ago: calls of them need not all ask it. */
export class Missing {
  readonly #keepMs: number;
  readonly #now: () => number;
  readonly #names = new Map<string, { readonly error: OlError; readonly untilMs: number }>();

  constructor(keepMs: number, now: () => number) {
    this.#keepMs = keepMs;
    this.#now = now;
  }

  /** Throws the ERR_NO_FUNCTION that was remembered. */
  check(name: string): void {
    const found = this.#names.get(name);
    if (found === undefined) return;
    if (this.#now() < found.untilMs) throw found.error;
    this.#names.delete(name);
  }

  /** Does nothing with any other error. */
  remember(name: string, error: unknown): void {
    if (!isOlError(error, 'ERR_NO_FUNCTION')) return;
    const oldest = this.#names.keys().next();
    if (this.#names.size >= MAX && !oldest.done) this.#names.delete(oldest.value);
    this.#names.set(name, { error, untilMs: this.#now() + this.#keepMs });
  }
}
