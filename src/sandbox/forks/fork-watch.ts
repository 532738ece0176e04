import { isOutOfDescriptors } from '../../linux/out-of-descriptors.ts';
import type { Log } from '../../telemetry/log.ts';
import { untilEnd, type Watched } from '../watched.ts';
import {
  afterLook,
  CLOSE_LOOK_MS,
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
}

/** So that however many sandboxes run, looking at them takes no more than a hundredth of a core: a look takes 10 us. */
const LOOKS_AT_ONCE = 5;
const REST_MS = CLOSE_LOOK_MS;

/**
 * Looks at sandboxes that run, as often as `fork-history.ts` says, and tells those that fork on and on. One timer for all, and
 * none while all are paused, so that it costs a call nothing.
 */
export class ForkWatch {
  readonly #options: ForkWatchOptions;
  /** Those that run; the one looked at last at the end. */
  readonly #running = new Set<Entry>();
  #timer: NodeJS.Timeout | undefined;
  /** When it is to look; infinite where no timer is set. */
  #looksAt = Number.POSITIVE_INFINITY;
  /** Not before this. */
  #restsUntil = 0;

  constructor(options: ForkWatchOptions) {
    this.#options = options;
  }

  /** Watches a sandbox, which runs from now on. */
  watch(sandbox: Forking): Watched {
    const entry: Entry = { sandbox, history: newHistory(performance.now()), dueAt: 0 };
    const run = () => this.#run(entry);
    run();
    return untilEnd(run, () => this.#running.delete(entry));
  }

  #run(entry: Entry): void {
    entry.history = { ...entry.history, nextMs: FIRST_LOOK_MS };
    entry.dueAt = performance.now() + FIRST_LOOK_MS;
    this.#running.add(entry);
    this.#lookBy(entry.dueAt);
  }

  /** Does nothing for what is never due. */
  #lookBy(dueAt: number): void {
    const at = Math.max(dueAt, this.#restsUntil);
    if (at >= this.#looksAt) return;
    clearTimeout(this.#timer);
    this.#looksAt = at;
    // It may be over by now, where this process was held up.
    const ms = Math.max(0, Math.ceil(at - performance.now()));
    this.#timer = setTimeout(() => this.#lookAtDue(), ms).unref();
  }

  #lookAtDue(): void {
    this.#looksAt = Number.POSITIVE_INFINITY;
    const now = performance.now();
    let looks = 0;
    for (const entry of this.#running) {
      if (entry.dueAt > now) continue;
      if (looks++ === LOOKS_AT_ONCE) break;
      this.#running.delete(entry);
      if (this.#look(entry, now)) this.#running.add(entry);
    }
    // A timer may come a fraction of a ms too early.
    if (looks > 0) this.#restsUntil = now + REST_MS;
    let next = Number.POSITIVE_INFINITY;
    for (const { dueAt } of this.#running) next = Math.min(next, dueAt);
    this.#lookBy(next);
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
