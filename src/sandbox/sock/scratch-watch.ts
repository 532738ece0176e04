import type { Log } from '../../telemetry/log.ts';
import { RunningClock } from './running-clock.ts';
import { firstLookMs, nextLookMs } from './scratch-schedule.ts';
import { measureScratch, type ScratchLimits, type ScratchUsage } from './scratch-usage.ts';

/** A sandbox as this sees it. */
export interface Watchable {
  readonly id: string;
  /** Its scratch directory on the host. */
  readonly scratchDir: string;
  /** Of its first process; null where that is not known yet, or gone. */
  pid(): number | null;
  /** It has more than it may. */
  overScratch(usage: ScratchUsage): void;
}

/** To be told of what a sandbox does; each may be told again. */
export interface Watched {
  run(): void;
  rest(): void;
  end(): void;
}

export interface ScratchWatchOptions {
  readonly limits: ScratchLimits;
  readonly log: Log;
}

interface Entry {
  readonly sandbox: Watchable;
  readonly clock: RunningClock;
  hasEnded: boolean;
  last: ScratchUsage | null;
  looks: number;
}

/**
 * How often at least to look for files that were removed and are held open, which takes ten times as long as the rest. They
 * can be made without a name having come or gone (O_TMPFILE), but are hardly ever.
 */
const HELD_EVERY = 8;

/**
 * Looks at the scratch directories of sandboxes that run, as often as `scratch-schedule.ts` says. One at a time, so that
 * however many sandboxes are due, requests come in between.
 */
export class ScratchWatch {
  readonly #options: ScratchWatchOptions;
  readonly #due: Entry[] = [];
  #isLooking = false;

  constructor(options: ScratchWatchOptions) {
    this.#options = options;
  }

  /** Watches a sandbox, which runs from now on. */
  add(sandbox: Watchable): Watched {
    const clock = new RunningClock(() => this.#isDue(entry));
    const entry: Entry = { sandbox, clock, hasEnded: false, last: null, looks: 0 };
    clock.set(firstLookMs(this.#options.limits));
    clock.run();
    return {
      run: () => clock.run(),
      rest: () => clock.rest(),
      end: () => {
        entry.hasEnded = true;
        clock.stop();
      },
    };
  }

  #isDue(entry: Entry): void {
    this.#due.push(entry);
    if (!this.#isLooking) void this.#lookAtDue();
  }

  async #lookAtDue(): Promise<void> {
    this.#isLooking = true;
    for (let entry = this.#due.shift(); entry !== undefined; entry = this.#due.shift()) {
      if (!entry.hasEnded) await this.#look(entry);
    }
    this.#isLooking = false;
  }

  async #look(entry: Entry): Promise<void> {
    const { limits, log } = this.#options;
    const { sandbox, clock } = entry;
    const since = performance.now();
    try {
      const usage = await measureScratch(sandbox.scratchDir, sandbox.pid(), limits, (tree) =>
        mayHold(entry, tree),
      );
      if (entry.hasEnded) return;
      entry.last = usage;
      entry.looks++;
      if (usage.bytes > limits.bytes || usage.files > limits.files) return sandbox.overScratch(usage);
      clock.set(nextLookMs({ usage, limits, tookMs: performance.now() - since }));
    } catch (error) {
      if (entry.hasEnded) return; // its directory went with it
      log.error({ err: error, sandboxId: sandbox.id }, 'scratch directory could not be looked at');
      clock.set(firstLookMs(limits));
    }
  }
}

/** A file gets lost from the tree only when a name goes; what is lost already may grow. */
function mayHold({ last, looks }: Entry, tree: ScratchUsage): boolean {
  return last === null || last.held > 0 || last.changed !== tree.changed || looks % HELD_EVERY === 0;
}
