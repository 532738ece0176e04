import { availableParallelism } from 'node:os';
import { Estimate } from './estimate.ts';
import { Reminder } from './reminder.ts';
import { instancesToDrop, instancesToStart, owedAfter } from './scaling.ts';

/** Before a start of the function has been seen: what one takes without packages, on a machine that is not idle. */
const FIRST_GUESS_MS = 5;
/** Below it timers do not work, and a start never takes less. */
const LEAST_START_MS = 1;
/** So many samples until an old one is forgotten. */
const SERVICES_REMEMBERED = 32;
const STARTS_REMEMBERED = 8;
/** How often to look whether it is quiet in the time that a start takes. */
const LOOKS_A_START = 2;
/** Half of the cores, so that the other half serves meanwhile. */
const STARTS_AT_ONCE = Math.max(1, Math.floor(availableParallelism() / 2));

export interface ScalerOptions {
  /** Most instances at a time; 0 is no bound. */
  readonly max: number;
  /** How long an instance is kept that the function has no use for. */
  readonly keepMs: number;
  /** Called when `toStart` is to be asked again, because nothing has happened for a while. */
  readonly onQuiet: () => void;
  /** Called when `toDrop` is to be asked. */
  readonly onSurplus: () => void;
}

/** The instances of a function that are not idle. */
export interface AtWork {
  /** How many are being made. */
  readonly starting: number;
  /** How many have been given a request. */
  readonly busy: number;
  /** How many of the busy ones still load their code: asked only where that matters. */
  countLoading(): number;
}

/** How a request went: when it came, when an instance that could serve had it, and when it was answered. */
export interface Served {
  /** In ms of `performance.now()`. */
  readonly since: number;
  readonly from: number;
  readonly to: number;
  /** How long it took in the sandbox: what this process was held up by meanwhile would be so with any instance. */
  readonly tookMs: number;
}

/** What a function learns about itself for the policy in `scaling.ts`, and when it has to ask that again. */
export class Scaler {
  readonly #options: ScalerOptions;
  readonly #quiet: Reminder;
  readonly #surplus: Reminder;
  #service = new Estimate(SERVICES_REMEMBERED);
  #start = new Estimate(STARTS_REMEMBERED);
  /** When a request was answered last, or an instance started. */
  #quietSince = performance.now();
  /** How often it was found to be quiet since then. */
  #looks = 0;
  /** When the last instance was started. */
  #startedAt = Number.NEGATIVE_INFINITY;
  /** When the youngest instance could serve. */
  #readyAt = Number.NEGATIVE_INFINITY;
  #owedMs = 0;

  constructor(options: ScalerOptions) {
    this.#options = options;
    this.#quiet = new Reminder(options.onQuiet);
    this.#surplus = new Reminder(options.onSurplus);
  }

  /**
   * How many instances to start now, where requests wait. Only when `onQuiet` asks does quiet
   * count: at other times there may be answers that have come and were not looked at yet.
   */
  toStart(queued: number, atWork: AtWork, asked: 'as something happened' | 'as it is quiet'): number {
    const { starting, busy } = atWork;
    const { max } = this.#options;
    const startMs = this.#startMs;
    const quietMs = asked === 'as it is quiet' ? this.#quietMs() : 0;
    const count = instancesToStart({
      queued,
      starting,
      busy,
      loading: quietMs < startMs ? 0 : atWork.countLoading(),
      max,
      serviceMs: this.#service.value,
      startMs,
      atOnce: STARTS_AT_ONCE,
      quietMs,
      owedMs: this.#owedMs,
    });
    const present = starting + busy + count;
    if (queued > starting + count && (max === 0 || present < max)) this.#quiet.after(this.#stepMs);
    return count;
  }

  /** Tells that an instance is being started. */
  begun(): void {
    this.#startedAt = performance.now();
    this.#noteSign(this.#startedAt);
    this.#owedMs = 0;
  }

  /** Tells of a request that was answered. */
  served({ since, from, to, tookMs }: Served): void {
    // What it waited for an instance to come could not have been spared by another one, which would have come later.
    const comeAt = Math.max(this.#readyAt, this.#startedAt + this.#startMs);
    const waitedMs = Math.max(0, from - Math.max(since, comeAt));
    this.#noteSign(to);
    this.#service.add(tookMs);
    this.#owedMs = owedAfter(this.#owedMs, { waitedMs, servedMs: to - from, startMs: this.#startMs });
  }

  /** Tells when an instance was started, and when it could serve. */
  started(from: number, to: number): void {
    this.#start.add(to - from);
    this.#readyAt = to;
  }

  /** Tells that an instance has become idle which is not the only one. */
  mayDrop(): void {
    this.#surplus.after(this.#options.keepMs);
  }

  /** How many of the idle instances to drop, of those that were used longest ago; `idle` has them in that order. */
  toDrop(idle: readonly { readonly idleSince: number | null }[], others: number): number {
    const now = performance.now();
    const { keepMs } = this.#options;
    const idleMs = idle.map(({ idleSince }) => now - (idleSince ?? now));
    const count = instancesToDrop({ idleMs, others, keepMs });
    const next = idleMs[count];
    if (next !== undefined && idleMs.length - count + others > 1)
      this.#surplus.after(Math.max(1, keepMs - next));
    return count;
  }

  /** What has been learnt was about other code. */
  forget(): void {
    this.#service = new Estimate(SERVICES_REMEMBERED);
    this.#start = new Estimate(STARTS_REMEMBERED);
    this.#owedMs = 0;
  }

  get #startMs(): number {
    return Math.max(LEAST_START_MS, this.#start.value ?? FIRST_GUESS_MS);
  }

  #noteSign(now: number): void {
    this.#quietSince = now;
    this.#looks = 0;
  }

  /** By the clock, but no more than a step for each look: where this process was held up, so were the sandboxes. */
  #quietMs(): number {
    this.#looks++;
    return Math.min(performance.now() - this.#quietSince, this.#looks * this.#stepMs);
  }

  get #stepMs(): number {
    return Math.max(1, this.#startMs / LOOKS_A_START);
  }
}
