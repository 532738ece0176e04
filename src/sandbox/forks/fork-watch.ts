import { isOutOfDescriptors } from '../../linux/out-of-descriptors.ts';
import type { Log } from '../../telemetry/log.ts';
import type { Watched } from '../watched.ts';
import {
  afterLook,
  FIRST_LOOK_MS,
  type ForkHistory,
  isForkBomb,
  LONGEST_MS,
  newHistory,
} from './fork-history.ts';

/** A sandbox as this sees it. */
export interface Forking {
  readonly id: string;
  /** Forks and threads that it was refused since it was made. */
  forksRefused(): number;
  /** It was refused so many within a second, and goes on. */
  asksOnAndOn(refused: number): void;
}

export interface ForkWatchOptions {
  /** Processes and threads that one sandbox may have. */
  readonly procsMax: number;
  readonly log: Log;
}

interface Entry {
  readonly sandbox: Forking;
  history: ForkHistory;
  dueAt: number;
  hasEnded: boolean;
}

/** So that however many sandboxes run, looking at them takes no more than a hundredth of a core: a look takes 10 us. */
const TICK_MS = 20;
const LOOKS_A_TICK = 20;

/**
 * Looks at sandboxes that run, as often as `fork-history.ts` says, and tells those that fork on and on. One timer for all, and
 * none while all are paused, so that it costs a call nothing.
 */
export class ForkWatch {
  readonly #options: ForkWatchOptions;
  /** Those that run; the one looked at last at the end. */
  readonly #running = new Set<Entry>();
  #isLookSet = false;

  constructor(options: ForkWatchOptions) {
    this.#options = options;
  }

  /** Watches a sandbox, which runs from now on. */
  watch(sandbox: Forking): Watched {
    const entry: Entry = { sandbox, history: newHistory(performance.now()), dueAt: 0, hasEnded: false };
    const rest = () => this.#running.delete(entry);
    const end = () => {
      entry.hasEnded = true;
      rest();
    };
    this.#run(entry);
    return { run: () => this.#run(entry), rest, end };
  }

  #run(entry: Entry): void {
    if (entry.hasEnded) return; // who gives it a request may not know yet
    entry.history = { ...entry.history, nextMs: FIRST_LOOK_MS };
    entry.dueAt = performance.now() + FIRST_LOOK_MS;
    this.#running.add(entry);
    this.#lookSoon();
  }

  #lookSoon(): void {
    if (this.#isLookSet) return;
    this.#isLookSet = true;
    setTimeout(() => this.#lookAtDue(), TICK_MS).unref();
  }

  #lookAtDue(): void {
    this.#isLookSet = false;
    const now = performance.now();
    let looks = 0;
    for (const entry of this.#running) {
      if (entry.dueAt > now) continue;
      if (looks++ === LOOKS_A_TICK) break;
      this.#running.delete(entry);
      if (this.#look(entry, now)) this.#running.add(entry);
    }
    if (this.#running.size > 0) this.#lookSoon();
  }

  /** True where it is to be looked at again. */
  #look(entry: Entry, now: number): boolean {
    const { sandbox, history } = entry;
    entry.dueAt = now + LONGEST_MS;
    try {
      const refused = sandbox.forksRefused();
      if (isForkBomb(history, refused, now, this.#options.procsMax)) {
        sandbox.asksOnAndOn(refused - history.before);
        return false;
      }
      entry.history = afterLook(history, refused, now);
      entry.dueAt = now + entry.history.nextMs;
      return true;
    } catch (error) {
      // For want of descriptors nobody can look: the next time, then.
      if (isOutOfDescriptors(error)) return true;
      this.#options.log.error({ err: error, sandboxId: sandbox.id }, 'refused forks could not be looked at');
      return false;
    }
  }
}
