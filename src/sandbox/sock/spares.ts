import type { SandboxProcess } from './process.ts';

/**
 * How many spares to ask for now, given how many there are (ready or on their way) and how many are wanted. Half of them
 * at a time, because sandboxes that are forked together share more of their memory.
 */
export function sparesToFork(state: { readonly present: number; readonly wanted: number }): number {
  return state.present > state.wanted / 2 ? 0 : state.wanted - state.present;
}

/** Processes forked ahead of time, so that a cold start does not wait for the fork. Kept up in the background. */
export class Spares {
  readonly #wanted: number;
  readonly #fork: () => SandboxProcess;
  readonly #spares: SandboxProcess[] = [];
  #refill: NodeJS.Immediate | null = null;
  #isClosed = false;

  constructor(options: { readonly wanted: number; readonly fork: () => SandboxProcess }) {
    this.#wanted = options.wanted;
    this.#fork = options.fork;
  }

  /** The spare that is furthest along, or a new process where there is none. */
  take(): SandboxProcess {
    const ready = this.#spares.findIndex((spare) => spare.isWaiting);
    const [spare] = this.#spares.splice(Math.max(0, ready), 1);
    this.refill();
    return spare ?? this.#fork();
  }

  /** Brings the number of spares up again, after what is under way has been dealt with. */
  refill(): void {
    if (this.#refill !== null || this.#isClosed) return;
    this.#refill = setImmediate(() => {
      this.#refill = null;
      let count = sparesToFork({ present: this.#spares.length, wanted: this.#wanted });
      while (count-- > 0) this.#add(this.#fork());
    });
  }

  /** Ends them; resolves when they are gone. */
  async close(): Promise<void> {
    this.#isClosed = true;
    if (this.#refill !== null) clearImmediate(this.#refill);
    const spares = this.#spares.splice(0);
    for (const spare of spares) spare.kill();
    await Promise.all(spares.map((spare) => spare.ended));
  }

  #add(spare: SandboxProcess): void {
    this.#spares.push(spare);
    void spare.ended.then(() => {
      const at = this.#spares.indexOf(spare);
      if (at >= 0) this.#spares.splice(at, 1);
    });
  }
}
