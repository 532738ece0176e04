import { Counter, Gauge, Registry } from '@prometheus-io/client';
import { Histogram, type Series } from './histogram.ts';

/** How a request found its sandbox: made anew, forked from a zygote with its packages imported, or made before. */
export type StartKind = 'cold' | 'zygote' | 'warm';

/** Why the worker ended a sandbox. */
const END_REASONS = [
  'evicted',
  'failed',
  'orphaned',
  'removed',
  'replaced',
  'surplus',
  'unpausable',
] as const;
export type EndReason = (typeof END_REASONS)[number];

const ZYGOTES = ['root', 'packages'] as const;

/** What an invocation is made of. */
type Phase = 'wait' | 'load' | 'handler' | 'exchange';

/** How long an invocation took, in ms. */
export interface PhaseTimes {
  /** Until a sandbox was given the request. */
  readonly waitMs: number;
  /** From there until it had loaded its code; null where it had before, or nobody knows. */
  readonly loadMs: number | null;
  /** In the sandbox, where it says so. */
  readonly handlerMs: number | null;
  /** From the end of the wait to the answer, so loading and handler are part of it. */
  readonly exchangeMs: number;
}

/** Deeper zygotes are counted as one: there are none, as long as host uids are dealt out as they are. */
const MAX_DEPTH = 8;

/** The zygotes of the import cache. */
export interface ZygoteLevels {
  readonly count: number;
  readonly memoryKb: number;
}

/** What is counted at the moment of a scrape. */
export interface Levels {
  readonly queued: number;
  readonly idle: number;
  readonly paused: number;
  readonly busy: number;
  readonly starting: number;
  /** Functions for which no sandbox is started for a while. */
  readonly heldBack: number;
  /** Measured memory of all sandboxes. */
  readonly memoryKb: number;
}

/** From half a millisecond, a good warm call, to the default time limit. */
const SECONDS = [0.0005, 0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1, 5, 30];

/**
 * What `GET /metrics` tells. Every label has a fixed, small set of values: functions are not among them, because anybody
 * may make up names.
 */
export class Metrics {
  readonly #registry = new Registry();
  readonly #invocations = new Histogram({
    name: 'openlambda_invocation_seconds',
    help: 'Invocations by phase: wait is until a sandbox has the request, exchange from there to the answer; load and handler are parts of it.',
    bounds: SECONDS,
  });
  readonly #phases: Record<StartKind, Record<Phase, Series>>;
  readonly #errors: Counter<'code'>;
  readonly #failures: Counter;
  readonly #ended: Counter<'reason'>;
  readonly #heldBack: Counter;
  readonly #forks: Counter<'depth'>;
  readonly #zygoteDeaths: Counter<'zygote'>;
  readonly #crowded: Counter;

  constructor() {
    const registers = [this.#registry];
    const series = (phase: Phase, start: StartKind) => this.#invocations.series({ phase, start });
    const phasesOf = (start: StartKind) => ({
      wait: series('wait', start),
      load: series('load', start),
      handler: series('handler', start),
      exchange: series('exchange', start),
    });
    this.#phases = { cold: phasesOf('cold'), zygote: phasesOf('zygote'), warm: phasesOf('warm') };
    this.#errors = new Counter({
      name: 'openlambda_errors_total',
      help: "Requests that were answered with an error of the worker's table, by its code.",
      labelNames: ['code'],
      registers,
    });
    this.#failures = new Counter({
      name: 'openlambda_function_failures_total',
      help: 'Invocations that the function itself failed: status 500 with text.',
      registers,
    });
    this.#ended = new Counter({
      name: 'openlambda_sandboxes_ended_total',
      help: 'Sandboxes that the worker ended, by the reason.',
      labelNames: ['reason'],
      registers,
    });
    this.#heldBack = new Counter({
      name: 'openlambda_hold_backs_total',
      help: 'How often a function was held back: no sandbox is started for it for some seconds, because its sandboxes keep using up what they may have.',
      registers,
    });
    this.#forks = new Counter({
      name: 'openlambda_package_forks_total',
      help: 'Sandboxes of functions with packages, by the depth in the tree of the zygote that they were forked from; 0: the root zygote.',
      labelNames: ['depth'],
      registers,
    });
    this.#zygoteDeaths = new Counter({
      name: 'openlambda_zygote_deaths_total',
      help: 'Zygotes that died, or did not answer and were ended for it: the root zygote, whose sandboxes are replaced, or one with packages.',
      labelNames: ['zygote'],
      registers,
    });
    this.#crowded = new Counter({
      name: 'openlambda_crowded_seconds_total',
      help: 'For how long sandboxes have taken all cores, so that calls wait for each other.',
      registers,
    });
    // A counter that is not there yet is no 0 to Prometheus, and its first increase is lost.
    for (const reason of END_REASONS) this.#ended.inc({ reason }, 0);
    for (const zygote of ZYGOTES) this.#zygoteDeaths.inc({ zygote }, 0);
  }

  /** Tells of an invocation that was answered. */
  invoked(start: StartKind, { waitMs, loadMs, handlerMs, exchangeMs }: PhaseTimes): void {
    const { wait, load, handler, exchange } = this.#phases[start];
    wait.observe(waitMs / 1000);
    if (loadMs !== null) load.observe(loadMs / 1000);
    if (handlerMs !== null) handler.observe(handlerMs / 1000);
    exchange.observe(exchangeMs / 1000);
  }

  failed(): void {
    this.#failures.inc();
  }

  /** Tells of an answer from the table of errors. */
  refused(code: string): void {
    this.#errors.inc({ code });
  }

  /** Tells of a function that gets no new sandbox for a while. */
  heldBack(): void {
    this.#heldBack.inc();
  }

  /** Tells which zygote a sandbox of a function with packages is forked from. */
  forked(depth: number): void {
    this.#forks.inc({ depth: depth > MAX_DEPTH ? `more than ${MAX_DEPTH}` : String(depth) });
  }

  ended(reason: EndReason): void {
    this.#ended.inc({ reason });
  }

  zygoteDied(zygote: (typeof ZYGOTES)[number]): void {
    this.#zygoteDeaths.inc({ zygote });
  }

  /** Tells for how long cores were crowded. */
  crowded(ms: number): void {
    this.#crowded.inc(ms / 1000);
  }

  /** Says how to find the levels, which are looked at when somebody asks. */
  watch(levels: () => Levels): void {
    const registers = [this.#registry];
    new Gauge({
      name: 'openlambda_queue_length',
      help: 'Requests that wait for a sandbox, of all functions.',
      registers,
      collect() {
        this.set(levels().queued);
      },
    });
    new Gauge({
      name: 'openlambda_functions_held_back',
      help: 'Functions that are held back now, see openlambda_hold_backs_total.',
      registers,
      collect() {
        this.set(levels().heldBack);
      },
    });
    new Gauge({
      name: 'openlambda_sandboxes',
      help: 'Sandboxes by state.',
      labelNames: ['state'],
      registers,
      collect() {
        const { idle, paused, busy, starting } = levels();
        this.set({ state: 'idle' }, idle);
        this.set({ state: 'paused' }, paused);
        this.set({ state: 'busy' }, busy);
        this.set({ state: 'starting' }, starting);
      },
    });
    new Gauge({
      name: 'openlambda_sandbox_memory_bytes',
      help: 'Memory of all sandboxes, as last measured.',
      registers,
      collect() {
        this.set(levels().memoryKb * 1024);
      },
    });
  }

  /** The same for the import cache. */
  watchZygotes(levels: () => ZygoteLevels): void {
    const registers = [this.#registry];
    new Gauge({
      name: 'openlambda_zygotes',
      help: 'Zygotes with packages imported, and those that are being made.',
      registers,
      collect() {
        this.set(levels().count);
      },
    });
    new Gauge({
      name: 'openlambda_zygote_memory_bytes',
      help: 'Memory of the zygotes, what each shares with its parent not counted, as measured when they had imported.',
      registers,
      collect() {
        this.set(levels().memoryKb * 1024);
      },
    });
  }

  /** The text of a scrape, and its content type. */
  async text(): Promise<{ readonly type: string; readonly body: string }> {
    const body = `${this.#invocations.text()}\n\n${await this.#registry.metrics()}`;
    return { type: this.#registry.contentType, body };
  }
}
