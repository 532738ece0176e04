import { OlError } from '../errors.ts';
import type { Lock } from '../packages/lock.ts';
import type { Code, Registry } from '../registry/registry.ts';
import type { Engine } from '../sandbox/sandbox.ts';
import type { Log } from '../telemetry/log.ts';
import type { EndReason, Metrics } from '../telemetry/metrics.ts';
import type { IdleLru } from './idle-lru.ts';
import { Instance } from './instance.ts';
import type { Place } from './memory-place.ts';
import type { Pauser } from './pauser.ts';

/** Of what all functions of a worker share, what their instances need. */
export interface InstancesContext {
  readonly registry: Registry;
  readonly engine: Engine;
  readonly idle: IdleLru;
  readonly pauser: Pauser;
  readonly metrics: Metrics;
  readonly log: Log;
}

/** Why we end a sandbox, for the log and for whoever waits for it. */
const END_REASONS = {
  evicted: 'its memory was needed',
  failed: 'its request failed',
  removed: 'the function was removed',
  replaced: 'its code was replaced',
  surplus: 'its function needs fewer',
  orphaned: 'its root zygote died, and another one has its place',
  unpausable: 'it could not be paused',
} as const satisfies Record<EndReason, string>;

/** How much of an older figure is kept at each new one: calls of one function may differ. */
const KEPT_OF_NEED = 3 / 4;

/**
 * The instances of one function, from their start to their end. One is with somebody, from `make` or `take` to `keep` or
 * `drop`, or idle: then it is also in the LRU of the worker, which may evict it, and with the pauser.
 */
export class Instances {
  readonly #name: string;
  readonly #context: InstancesContext;
  readonly #all = new Set<Instance>();
  /** Used last at the end. */
  readonly #idle: Instance[] = [];
  #code: Code | null = null;
  #lock: Lock | null = null;
  #needKb: number | null = null;

  constructor(name: string, context: InstancesContext) {
    this.#name = name;
    this.#context = context;
  }

  get all(): Iterable<Instance> {
    return this.#all;
  }

  get count(): number {
    return this.#all.size;
  }

  /** How many somebody has. */
  get busy(): number {
    return this.#all.size - this.#idle.length;
  }

  /** The one used last at the end. */
  get idle(): readonly Instance[] {
    return this.#idle;
  }

  /** What their sandboxes were seen to take, the most and the latest counting more; null until one has answered. */
  get needKb(): number | null {
    return this.#needKb;
  }

  countLoading(): number {
    return [...this.#all].filter(({ isLoading }) => isLoading).length;
  }

  /** Says what is run from now on. True where that is an edit: those with the code before it go, when they are free. */
  use(code: Code, lock: Lock | null): boolean {
    if (code === this.#code) return false;
    const isEdit = this.#code !== null && code.version !== this.#code.version;
    this.#code = code;
    this.#lock = lock;
    if (isEdit) this.dropIdle('replaced');
    return isEdit;
  }

  /** Starts one, in a place that is its own until its end. Rejects with errors of the table; the place is the caller's then. */
  async make(place: Place): Promise<Instance> {
    const { registry, engine } = this.#context;
    const code = this.#code;
    if (code === null) throw new OlError('ERR_INTERNAL', { reason: `${this.#name} has no code yet` });
    // Its copy of the code has to stay for as long as the sandbox lives.
    const letGo = registry.retain(code);
    try {
      const sandbox = await engine.create(code, this.#lock);
      const instance = new Instance(sandbox, code, place, (ended, reason) => this.drop(ended, reason));
      this.#all.add(instance);
      void sandbox.retired.then(() => this.#retire(instance));
      void sandbox.dead.then(() => {
        letGo();
        this.#forget(instance);
        place.end();
      });
      return instance;
    } catch (error) {
      letGo();
      throw error;
    }
  }

  /** The idle one that was used last: its memory is the warmest. Null for none. */
  take(): Instance | null {
    const instance = this.#idle.pop();
    if (instance === undefined) return null;
    this.#context.idle.remove(instance);
    return instance;
  }

  /** Why one that is free is of no more use; null where it is. */
  reasonToEnd(instance: Instance): 'orphaned' | 'replaced' | null {
    if (instance.isRetired) return 'orphaned';
    return instance.code.version === this.#code?.version ? null : 'replaced';
  }

  /** Puts one that is free to the idle ones. There may be no room for it, which ends it. */
  keep(instance: Instance): void {
    this.#idle.push(instance);
    this.#context.idle.add(instance);
    this.#context.pauser.add(instance);
    if (instance.isMeasuringDue) void this.#measure(instance);
  }

  /** Tells that one has answered: what it takes can be seen from now on. */
  answered(instance: Instance): void {
    if (instance.place.settle()) void this.#measure(instance);
  }

  /** Ends one, whoever has it. */
  drop(instance: Instance, reason: EndReason): void {
    this.#forget(instance);
    this.#context.metrics.ended(reason);
    instance.place.leave(instance.memoryKb);
    void instance.sandbox.destroy(END_REASONS[reason]);
  }

  /** Ends so many of the idle ones, those used longest ago; without a number, all of them. */
  dropIdle(reason: EndReason, count = this.#idle.length): void {
    for (const instance of this.#idle.slice(0, count)) this.drop(instance, reason);
  }

  /** A busy one is dropped when it has answered. */
  #retire(instance: Instance): void {
    instance.isRetired = true;
    if (this.#idle.includes(instance)) this.drop(instance, 'orphaned');
  }

  async #measure(instance: Instance): Promise<void> {
    try {
      if (!(await instance.measure())) return;
      this.#needKb = Math.max(instance.memoryKb, (this.#needKb ?? 0) * KEPT_OF_NEED);
      this.#context.idle.update(instance);
    } catch (error) {
      this.#context.log.warn({ err: error, sandboxId: instance.sandbox.id }, 'memory could not be measured');
    }
  }

  #forget(instance: Instance): void {
    this.#all.delete(instance);
    this.#context.idle.remove(instance);
    const at = this.#idle.indexOf(instance);
    if (at >= 0) this.#idle.splice(at, 1);
  }
}
