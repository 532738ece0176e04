import type { Workload, WorkloadFunction } from '../workload-file.ts';
import { SimulatedCache } from './cache.ts';
import { Cores } from './cores.ts';
import { callMs } from './model.ts';
import type { Policy } from './policies.ts';
import { shuffled } from './random.ts';

export interface ReplayOptions {
  /** Each has one call at a time, and makes the next when that is answered. */
  readonly clients: number;
  readonly cores: number;
  /** How often each function is called; every call is a cold one. */
  readonly rounds: number;
  readonly seed: number;
}

/** What came of a replay, by the model. */
export interface Replayed {
  readonly policy: string;
  readonly budgetKb: number;
  readonly requests: number;
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** How many calls were forked from a zygote of each depth; the first is the root zygote. Empty without zygotes. */
  readonly hitsByDepth: readonly number[];
  readonly peakKb: number;
  readonly zygotes: number;
  readonly made: number;
  readonly evicted: number;
}

/** Calls every function of the workload, in an order that the seed gives. The same input has the same result. */
export function replay(
  workload: Workload,
  policy: Policy,
  budgetKb: number,
  options: ReplayOptions,
): Replayed {
  const run = new Replay(workload, policy, budgetKb, options);
  run.run();
  return run.result();
}

class Replay {
  readonly #workload: Workload;
  readonly #policy: Policy;
  readonly #budgetKb: number;
  readonly #cache: SimulatedCache;
  readonly #cores: Cores;
  readonly #clients: number;
  readonly #calls: WorkloadFunction[];
  readonly #total: number;
  readonly #latenciesMs: number[] = [];
  readonly #hits: number[] = [];
  #isMaking = false;

  constructor(workload: Workload, policy: Policy, budgetKb: number, options: ReplayOptions) {
    this.#workload = workload;
    this.#policy = policy;
    this.#budgetKb = budgetKb;
    this.#cores = new Cores(options.cores);
    this.#clients = options.clients;
    this.#calls = callsOf(workload, options);
    this.#total = this.#calls.length;
    this.#cache = new SimulatedCache(workload, budgetKb, policy.known);
    if (policy.tree !== null) this.#cache.plant(policy.tree);
  }

  run(): void {
    for (let client = 0; client < this.#clients; client++) this.#next();
    this.#cores.run(() => this.#latenciesMs.length === this.#total);
  }

  result(): Replayed {
    const latencies = this.#latenciesMs.toSorted((a, b) => a - b);
    const { peakKb, size, made, evicted } = this.#cache;
    return {
      policy: this.#policy.name,
      budgetKb: this.#budgetKb,
      requests: this.#total,
      requestsPerSecond: this.#total / (this.#cores.nowMs / 1000),
      p50Ms: percentile(latencies, 50),
      p99Ms: percentile(latencies, 99),
      hitsByDepth: Array.from(this.#hits, (hits) => hits ?? 0),
      peakKb,
      zygotes: size,
      made,
      evicted,
    };
  }

  /** A client makes its next call. */
  #next(): void {
    const call = this.#calls.pop();
    if (call === undefined) return;
    const begunMs = this.#cores.nowMs;
    const answered = () => {
      this.#latenciesMs.push(this.#cores.nowMs - begunMs);
      if (this.#policy.learns === 'beside') this.#learn(call);
      this.#next();
    };
    if (this.#policy.learns === 'first')
      this.#learnFirst(call, () => this.#cores.start(this.#work(call), answered));
    else this.#cores.start(this.#work(call), answered);
  }

  /** What the call would import is imported in a zygote, and then it is forked from that one. */
  #learnFirst(call: WorkloadFunction, then: () => void): void {
    this.#cache.note(call);
    const making = this.#cache.grow({ forCall: call });
    if (making === null) return then();
    this.#cores.start(making.makeMs, () => {
      making.finish();
      then();
    });
  }

  #work(call: WorkloadFunction): number {
    if (!this.#policy.forks) return callMs(this.#workload.costs, call.loads, null);
    const { origin, depth } = this.#cache.startFrom(call);
    this.#hits[depth] = (this.#hits[depth] ?? 0) + 1;
    return callMs(this.#workload.costs, call.loads, origin);
  }

  /** One zygote is made at a time, beside the calls and on the same cores. */
  #learn(call: WorkloadFunction | null): void {
    if (call !== null) this.#cache.note(call);
    if (this.#isMaking) return;
    const making = this.#cache.grow();
    if (making === null) return;
    this.#isMaking = true;
    this.#cores.start(making.makeMs, () => {
      making.finish();
      this.#isMaking = false;
      this.#learn(null);
    });
  }
}

/** The calls, the last one first. */
function callsOf({ functions }: Workload, { rounds, seed }: ReplayOptions): WorkloadFunction[] {
  return Array.from({ length: rounds }, (_, round) => shuffled(functions, seed + round)).flat();
}

/** Of sorted values: the smallest one that so many percent do not exceed. */
function percentile(sorted: readonly number[], percent: number): number {
  return sorted[Math.max(0, Math.ceil((sorted.length * percent) / 100) - 1)] ?? 0;
}
