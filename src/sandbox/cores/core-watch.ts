import type { CpuClock } from '../../cgroup/cgroup.ts';
import type { Log } from '../../telemetry/log.ts';
import { untilEnd, type Watched } from '../watched.ts';
import { type CoreUse, CROWDED_FOR_MS, isCrowded, LOOK_EVERY_MS } from './crowding.ts';

export interface CoreWatchOptions {
  readonly cores: number;
  /** Of all sandboxes together. */
  readonly cpuTime: CpuClock;
  /** Told whenever it changes. */
  readonly whenCrowded: (isCrowded: boolean) => void;
  /** Told for how long it was so, again and again while it is. */
  readonly crowdedFor: (ms: number) => void;
  readonly log: Log;
}

/**
 * Looks whether sandboxes take all cores, as `crowding.ts` says. One timer for all, and none while all are paused, so that it costs
 * a call nothing.
 */
export class CoreWatch {
  readonly #options: CoreWatchOptions;
  /** Since when each runs; the one that has run longest first. */
  readonly #running = new Map<object, number>();
  #timer: NodeJS.Timeout | undefined;
  #before: CoreUse | null = null;
  /** When it was last so; null where it is not. */
  #crowdedAt: number | null = null;
  #isClosed = false;

  constructor(options: CoreWatchOptions) {
    this.#options = options;
  }

  /** Watches a sandbox, which runs from now on. */
  watch(sandbox: object): Watched {
    const run = () => this.#run(sandbox);
    run();
    return untilEnd(run, () => this.#running.delete(sandbox));
  }

  #run(sandbox: object): void {
    if (this.#isClosed) return;
    if (!this.#running.has(sandbox)) this.#running.set(sandbox, performance.now());
    this.#timer ??= setInterval(() => this.#lookOrGiveUp(), LOOK_EVERY_MS).unref();
  }

  #lookOrGiveUp(): void {
    try {
      this.#look();
    } catch (error) {
      this.#options.log.error({ err: error }, 'whether sandboxes take all cores could not be looked at');
      this.close();
    }
  }

  #look(): void {
    const { cores, cpuTime, crowdedFor } = this.#options;
    const at = performance.now();
    const [longest = at] = this.#running.values();
    const now = { at, usedUs: cpuTime.us(), longestMs: at - longest };
    if (this.#before !== null && this.#crowdedAt !== null) crowdedFor(at - this.#before.at);
    if (this.#before !== null && isCrowded(this.#before, now, cores)) this.#tell(at);
    else if (this.#crowdedAt !== null && at - this.#crowdedAt > CROWDED_FOR_MS) this.#tell(null);
    this.#before = now;
    if (this.#running.size === 0 && this.#crowdedAt === null) this.#stop();
  }

  #tell(crowdedAt: number | null): void {
    const hasChanged = (crowdedAt === null) !== (this.#crowdedAt === null);
    this.#crowdedAt = crowdedAt;
    if (hasChanged) this.#options.whenCrowded(crowdedAt !== null);
  }

  #stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#before = null;
  }

  /** Tells nobody anything from now on, but that it is over where it was crowded. */
  close(): void {
    this.#isClosed = true;
    this.#running.clear();
    this.#stop();
    this.#tell(null);
  }
}
