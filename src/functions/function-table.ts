import { STRIKES_LAST_MS } from './back-off.ts';
import { Reminder } from './reminder.ts';

/** A function, as far as it matters here. */
export interface Known {
  readonly name: string;
  /** True when nothing of it waits, runs, is kept or is to be remembered. */
  readonly isUnused: boolean;
  /** True where what is to be remembered goes by with time. */
  readonly hasStrikes: boolean;
}

/** Functions by their names, from the first call on until there is nothing left of them: anybody may make up names. */
export class FunctionTable<F extends Known> {
  readonly #make: (name: string) => F;
  readonly #all = new Map<string, F>();
  /** Those that only their strikes keep go when these are over, if nobody calls them. */
  readonly #sweep = new Reminder(() => this.#dropUnused());

  constructor(make: (name: string) => F) {
    this.#make = make;
  }

  get all(): readonly F[] {
    return [...this.#all.values()];
  }

  get(name: string): F {
    const known = this.#all.get(name);
    if (known !== undefined) return known;
    const made = this.#make(name);
    this.#all.set(name, made);
    return made;
  }

  /** Drops it where there is nothing left of it; has to be called when a call of it is over. */
  called(one: F): void {
    if (one.isUnused && this.#all.get(one.name) === one) this.#all.delete(one.name);
    if (one.hasStrikes) this.#sweep.after(STRIKES_LAST_MS);
  }

  #dropUnused(): void {
    for (const one of this.#all.values()) this.called(one);
  }
}
