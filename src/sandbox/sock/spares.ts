import type { Log } from '../../telemetry/log.ts';
import { endSpares, type Spare } from './spare.ts';

/**
 * A spare that is being made takes a core for 1 ms, and a call that comes meanwhile waits for it: fewer at a time, and it waits for
 * fewer. With a half, the p99 of a cold call is 0.8 ms more. But each time takes something, too, and those that a package zygote forks
 * in one go share more memory: what it writes to between two forks is no longer shared.
 */
const PART_AT_A_TIME = 1 / 4;

/** How many spares to ask for now, given how many there are (ready or on their way) and how many are wanted. */
export function sparesToFork(state: { readonly present: number; readonly wanted: number }): number {
  return state.present > (1 - PART_AT_A_TIME) * state.wanted ? 0 : state.wanted - state.present;
}

/** How many are forked at once when one after another is taken. */
export function sparesAtATime(wanted: number): number {
  return Math.ceil(PART_AT_A_TIME * wanted);
}

export interface SparesOptions {
  readonly wanted: number;
  readonly fork: () => Spare;
  /** How long the one that was taken has the cores for itself, before others are forked; default: no time. */
  readonly refillAfterMs?: number;
  readonly log: Log;
}

/** Spares forked ahead of time, so that a cold start does not wait for the fork. Kept up in the background. */
export class Spares {
  #wanted: number;
  readonly #fork: () => Spare;
  readonly #log: Log;
  readonly #spares: Spare[] = [];
  readonly #refillAfterMs: number;
  /** Cancels the refill that is to come. */
  #refill: (() => void) | null = null;
  #isClosed = false;

  constructor(options: SparesOptions) {
    this.#wanted = options.wanted;
    this.#fork = options.fork;
    this.#log = options.log;
    this.#refillAfterMs = options.refillAfterMs ?? 0;
  }

  /** The spare that is furthest along, or a new one where there is none. */
  take(): Spare {
    const ready = this.#spares.findIndex((spare) => spare.process.isWaiting);
    const [spare] = this.#spares.splice(Math.max(0, ready), 1);
    this.refill();
    return spare ?? this.#fork();
  }

  get isEmpty(): boolean {
    return this.#spares.length === 0;
  }

  /** So many are kept from now on. Those that are too many are ended; what is missing is forked after the next one is taken. */
  want(count: number): void {
    this.#wanted = count;
    for (const spare of this.#spares.splice(count)) spare.process.kill();
  }

  /** Others in the place of all that there are, which are ended. Resolves when that is done, and one of the others is ready. */
  async renew(): Promise<void> {
    if (this.#isClosed) return;
    const before = this.#spares.splice(0);
    this.#forkMissing();
    const [first] = this.#spares;
    if (first === undefined) {
      // None could be forked: better these than none.
      this.#spares.push(...before);
      return;
    }
    await first.process.waiting;
    await endSpares(before);
  }

  /** Brings the number of spares up again, after what is under way has been dealt with. */
  refill(): void {
    if (this.#refill !== null || this.#isClosed) return;
    const refill = () => {
      this.#refill = null;
      this.#forkMissing();
    };
    if (this.#refillAfterMs === 0) {
      const immediate = setImmediate(refill);
      this.#refill = () => clearImmediate(immediate);
    } else {
      const timer = setTimeout(refill, this.#refillAfterMs);
      this.#refill = () => clearTimeout(timer);
    }
  }

  /** Keeps it until it is taken. */
  add(spare: Spare): void {
    this.#spares.push(spare);
    void spare.process.ended.then(() => {
      const at = this.#spares.indexOf(spare);
      if (at >= 0) this.#spares.splice(at, 1);
    });
  }

  /** Where one cannot be made (no space, no descriptors), the next request tries again, and is told why. */
  #forkMissing(): void {
    try {
      let count = sparesToFork({ present: this.#spares.length, wanted: this.#wanted });
      while (count-- > 0) this.add(this.#fork());
    } catch (error) {
      this.#log.error({ err: error }, 'spares could not be forked');
    }
  }

  /** Ends them; resolves when they are gone. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#refill?.();
    await endSpares(this.#spares);
  }
}
