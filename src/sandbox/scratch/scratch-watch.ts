import type { Log } from '../../telemetry/log.ts';
import type { Watched } from '../watched.ts';
import { RunningClock } from './running-clock.ts';
import { firstLookMs, nextLookMs } from './scratch-schedule.ts';
import {
  measureHeld,
  measureTree,
  type ScratchLimits,
  type ScratchUsage,
  type TreeUsage,
} from './scratch-usage.ts';

/** A sandbox as this sees it. */
export interface Watchable {
  readonly id: string;
  /** Its scratch directory on the host. */
  readonly scratchDir: string;
  /** Of its first process; null where that is not known yet, or gone. */
  pid(): number | null;
  /** It has more than it may. */
  overScratch(usage: ScratchUsage): void;
  /** It does not let us look: that has taken so many ms. */
  hidesScratch(tookMs: number): void;
}

export interface ScratchWatchOptions {
  readonly limits: ScratchLimits;
  readonly log: Log;
  /** How long looking for removed files may take; default: 3 s. */
  readonly heldPatienceMs?: number;
}

interface Entry {
  readonly sandbox: Watchable;
  readonly clock: RunningClock;
  hasEnded: boolean;
  tree: TreeUsage | null;
  /** What was removed and is still held, when it was last looked for. */
  held: ScratchUsage;
  isLookingForHeld: boolean;
  looks: number;
}

const NOTHING: ScratchUsage = { bytes: 0, files: 0 };
/**
 * How often at least to look for files that were removed and are held open, which takes ten times as long as the rest. They
 * can be made without a name having come or gone (O_TMPFILE), but are hardly ever.
 */
const HELD_EVERY = 8;
/**
 * How long that may take: a process answers in 0.2 ms, unless it keeps its memory map busy, as in a fork bomb. Who can't be
 * looked at can't be bounded.
 */
const HELD_PATIENCE_MS = 3000;

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
    const entry: Entry = {
      sandbox,
      clock,
      hasEnded: false,
      tree: null,
      held: NOTHING,
      isLookingForHeld: false,
      looks: 0,
    };
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
      const tree = await measureTree(sandbox.scratchDir, limits);
      if (entry.hasEnded) return;
      const isHeldDue = isTimeForHeld(entry, tree);
      entry.tree = tree;
      entry.looks++;
      if (this.#endIfOver(entry)) return;
      if (isHeldDue) void this.#lookForHeld(entry);
      clock.set(nextLookMs({ usage: usageOf(entry), limits, tookMs: performance.now() - since }));
    } catch (error) {
      if (entry.hasEnded) return; // its directory went with it
      log.error({ err: error, sandboxId: sandbox.id }, 'scratch directory could not be looked at');
      clock.set(firstLookMs(limits));
    }
  }

  /** Beside everything else: the sandbox may make it take long, and others have to be looked at meanwhile. */
  async #lookForHeld(entry: Entry): Promise<void> {
    const { limits, log, heldPatienceMs = HELD_PATIENCE_MS } = this.#options;
    const { sandbox } = entry;
    const pid = sandbox.pid();
    if (pid === null) return;
    entry.isLookingForHeld = true;
    const late = setTimeout(() => {
      if (!entry.hasEnded) sandbox.hidesScratch(heldPatienceMs);
    }, heldPatienceMs);
    try {
      entry.held = await measureHeld(sandbox.scratchDir, pid, limits, () => entry.hasEnded);
      if (!entry.hasEnded) this.#endIfOver(entry);
    } catch (error) {
      if (!entry.hasEnded)
        log.error({ err: error, sandboxId: sandbox.id }, 'removed files could not be looked for');
    } finally {
      clearTimeout(late);
      entry.isLookingForHeld = false;
    }
  }

  #endIfOver(entry: Entry): boolean {
    const { limits } = this.#options;
    const usage = usageOf(entry);
    const isOver = usage.bytes > limits.bytes || usage.files > limits.files;
    if (isOver) entry.sandbox.overScratch(usage);
    return isOver;
  }
}

/** A file gets lost from the tree only when a name goes; what is lost already may grow. */
function isTimeForHeld({ tree, held, looks, isLookingForHeld }: Entry, seen: TreeUsage): boolean {
  if (isLookingForHeld) return false;
  return tree === null || held.files > 0 || tree.changed !== seen.changed || looks % HELD_EVERY === 0;
}

function usageOf({ tree, held }: Entry): ScratchUsage {
  return { bytes: held.bytes + (tree?.bytes ?? 0), files: held.files + (tree?.files ?? 0) };
}
