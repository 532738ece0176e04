import { isOlError, OlError, toOlError } from '../errors.ts';
import type { Lock } from '../packages/lock.ts';
import type { Packages } from '../packages/packages.ts';
import type { Code, Registry } from '../registry/registry.ts';
import type { Engine, SandboxResponse } from '../sandbox/sandbox.ts';
import type { Log } from '../telemetry/log.ts';
import type { EndReason, Metrics, StartKind } from '../telemetry/metrics.ts';
import { monotonicNs, Stopwatch, type Timing } from '../telemetry/timing.ts';
import { CodeSupply, type Supplied } from './code-supply.ts';
import type { IdleLru } from './idle-lru.ts';
import { Instance } from './instance.ts';
import type { Place } from './memory-place.ts';
import type { Claimant, MemoryPool } from './memory-pool.ts';
import type { Pauser } from './pauser.ts';
import { Scaler } from './scaler.ts';
import type { Turn } from './turn.ts';

/** What all functions of a worker share. */
export interface FunctionContext {
  readonly registry: Registry;
  readonly packages: Packages;
  readonly turn: Turn;
  readonly engine: Engine;
  readonly idle: IdleLru;
  readonly pauser: Pauser;
  readonly memory: MemoryPool;
  readonly log: Log;
  readonly maxRunners: number;
  /** How long an idle instance is kept that the function has no use for. */
  readonly surplusKeepMs: number;
  readonly queueMax: number;
  readonly timeoutMs: number;
  readonly responseMaxBytes: number;
  readonly metrics: Metrics;
  /** Gets the steps of each request; null for none. */
  readonly timing: Timing | null;
}

export interface InvocationResult {
  readonly response: SandboxResponse;
  readonly start: StartKind;
}

/** One request on its way; `cancel` takes it out of the queue, and does nothing when it is served already. */
export interface Invocation {
  readonly result: Promise<InvocationResult>;
  cancel(): void;
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

interface Waiting {
  readonly body: Buffer;
  /** When it came, in ms of `performance.now()`. */
  readonly since: number;
  /** The same moment in ns, where timing is on. */
  readonly sinceNs: number;
  /** A sandbox that had never served died before it took this. */
  readonly isSecondTry: boolean;
  readonly resolve: (result: InvocationResult | Promise<InvocationResult>) => void;
  readonly reject: (error: Error) => void;
}

/** When a request came, had an instance, and was answered; in ms of `performance.now()`. */
interface Times {
  readonly since: number;
  readonly dispatched: number;
  readonly answered: number;
}

/**
 * Named user code, with its queue and its instances. It alone changes either. A request goes through these hands:
 *
 * 1. `invoke` asks the registry for the newest code, and has its packages made ready. A new version retires the instances of
 *    the old one.
 * 2. The request joins the queue.
 * 3. `#pump` gives the oldest request to an idle instance, the one used last first: its memory is the warmest.
 * 4. For what still waits, `#pump` starts instances, as many as the policy in `scaling.ts` says and the memory pool has
 *    room for. It asks that again whenever a request comes or is done, and when nothing has happened for a while; where
 *    there was no room, `roomMade` goes on later.
 * 5. An instance that has served, or has just been made, takes the next request that waits (`#release`), unless another
 *    function's request has waited for memory for longer.
 * 6. Where none waits it is idle, and in the LRU of the worker, which may evict it; one of many that is idle for long is
 *    dropped (`#dropSurplus`).
 */
export class OlFunction implements Claimant {
  readonly name: string;
  readonly #context: FunctionContext;
  readonly #queue: Waiting[] = [];
  /** Used last at the end. */
  readonly #idle: Instance[] = [];
  readonly #instances = new Set<Instance>();
  readonly #scaler: Scaler;
  readonly #supply: CodeSupply;
  #code: Code | null = null;
  #lock: Lock | null = null;
  /** Which pull `#code` came from. */
  #codePull = 0;
  #starting = 0;
  #pulling = 0;
  /** What its sandboxes were seen to take, the most and the latest counting more; null until one has answered. */
  #needKb: number | null = null;

  constructor(name: string, context: FunctionContext) {
    this.name = name;
    this.#context = context;
    this.#supply = new CodeSupply(name, context);
    this.#scaler = new Scaler({
      max: context.maxRunners,
      keepMs: context.surplusKeepMs,
      onQuiet: () => this.#startMissing('as it is quiet'),
      onSurplus: () => this.#dropSurplus(),
    });
  }

  get instances(): Iterable<Instance> {
    return this.#instances;
  }

  get waitingSince(): number | null {
    return this.#queue[this.#starting]?.since ?? null;
  }

  get needKb(): number | null {
    return this.#needKb;
  }

  roomMade(): void {
    this.#pump();
  }

  get queued(): number {
    return this.#queue.length;
  }

  get starting(): number {
    return this.#starting;
  }

  /** True when nothing waits, runs or is kept. */
  get isUnused(): boolean {
    return this.#instances.size + this.#queue.length + this.#starting + this.#pulling === 0;
  }

  invoke(body: Buffer): Invocation {
    const { promise, resolve, reject } = Promise.withResolvers<InvocationResult>();
    const sinceNs = this.#context.timing === null ? 0 : monotonicNs();
    const waiting: Waiting = { body, since: performance.now(), sinceNs, isSecondTry: false, resolve, reject };
    const state = { cancelled: false };
    const cancel = () => {
      state.cancelled = true;
      if (this.#leaveQueue(waiting)) this.#giveUp(waiting);
    };
    try {
      const supplied = this.#supply.next();
      if (supplied instanceof Promise) void this.#acceptThen(supplied, waiting, state);
      else this.#accept(supplied, waiting);
    } catch (error) {
      this.#refuse(waiting, error);
    }
    return { result: promise, cancel };
  }

  async #acceptThen(
    pending: Promise<Supplied>,
    waiting: Waiting,
    state: { cancelled: boolean },
  ): Promise<void> {
    this.#pulling++;
    try {
      const supplied = await pending;
      if (state.cancelled) this.#giveUp(waiting);
      else this.#accept(supplied, waiting);
    } catch (error) {
      this.#refuse(waiting, error);
    } finally {
      this.#pulling--;
    }
  }

  #accept(supplied: Supplied, waiting: Waiting): void {
    this.#use(supplied);
    const { queueMax } = this.#context;
    if (this.#queue.length >= queueMax) {
      waiting.reject(new OlError('ERR_QUEUE_FULL', { name: this.name, length: this.#queue.length }));
      return;
    }
    this.#queue.push(waiting);
    this.#pump();
  }

  /** A function that is gone, or that can't be read any more, has no use for its instances. */
  #refuse(waiting: Waiting, error: unknown): void {
    const known = toOlError(error);
    if (known.code === 'ERR_NO_FUNCTION') this.#retireIdle('removed');
    waiting.reject(known);
  }

  #use({ pull, code, lock }: Supplied): void {
    // A pull that began later has seen at least as much: never go back behind it, others may have been promised that.
    if (pull < this.#codePull) return;
    this.#codePull = pull;
    if (code === this.#code) return;
    const isEdit = this.#code !== null && code.version !== this.#code.version;
    this.#code = code;
    this.#lock = lock;
    if (!isEdit) return;
    this.#context.log.info({ function: this.name, version: code.version.slice(0, 16) }, 'new code');
    this.#scaler.forget();
    this.#retireIdle('replaced');
  }

  #leaveQueue(waiting: Waiting): boolean {
    const at = this.#queue.indexOf(waiting);
    if (at >= 0) this.#queue.splice(at, 1);
    return at >= 0;
  }

  /** Nobody reads this any more, but whoever counts the calls has to see that it is over. */
  #giveUp(waiting: Waiting): void {
    waiting.reject(new OlError('ERR_CLIENT_GONE', { name: this.name }));
  }

  #pump(): void {
    while (this.#queue.length > 0) {
      const instance = this.#idle.pop();
      if (instance === undefined) break;
      this.#context.idle.remove(instance);
      this.#dispatch(instance);
    }
    this.#startMissing('as something happened');
  }

  #startMissing(asked: 'as something happened' | 'as it is quiet'): void {
    if (this.#queue.length === 0) return;
    const countLoading = () => [...this.#instances].filter(({ isLoading }) => isLoading).length;
    const atWork = { starting: this.#starting, busy: this.#busy, countLoading };
    for (let count = this.#scaler.toStart(this.#queue.length, atWork, asked); count > 0; count--) {
      const place = this.#context.memory.take(this);
      if (place === null) return;
      void this.#startInstance(place);
    }
  }

  get #busy(): number {
    return this.#instances.size - this.#idle.length;
  }

  /** Gives the oldest request to an instance that is free; false when none waits. */
  #dispatch(instance: Instance): boolean {
    const waiting = this.#queue.shift();
    waiting?.resolve(this.#serve(instance, waiting));
    return waiting !== undefined;
  }

  async #serve(instance: Instance, waiting: Waiting): Promise<InvocationResult> {
    const { start } = instance;
    const { body, since, sinceNs } = waiting;
    const { timeoutMs, responseMaxBytes, timing } = this.#context;
    const dispatched = performance.now();
    const watch = timing === null ? null : new Stopwatch(timing, sinceNs);
    this.#context.memory.watch();
    watch?.lap(`${start}:wait`);
    try {
      const response = await instance.serve({ body, timeoutMs, responseMaxBytes });
      watch?.lap(`${start}:exchange`);
      this.#learn(instance, start, response, { since, dispatched, answered: performance.now() });
      if (instance.place.settle()) void this.#measure(instance);
      this.#release(instance);
      return { response, start };
    } catch (error) {
      this.#drop(instance, 'failed');
      const isFirst = start !== 'warm';
      // No handler has seen the request. One that has never served may die of its own code: once more, and not for ever.
      if (isOlError(error, 'ERR_SANDBOX_GONE') && !(isFirst && waiting.isSecondTry))
        return await this.#again({ ...waiting, isSecondTry: isFirst || waiting.isSecondTry });
      throw error;
    } finally {
      this.#pump();
    }
  }

  /** What metrics and policy get of a request that was answered. What its code says of itself has to fit. */
  #learn({ sandbox }: Instance, start: StartKind, { loadedAt, tookMs }: SandboxResponse, times: Times): void {
    const { since, dispatched, answered } = times;
    const hasLoaded = loadedAt !== null && loadedAt > sandbox.createdAt && loadedAt <= answered;
    // It may have loaded its code before it got the request, where this process was held up in between.
    const from = hasLoaded ? Math.max(loadedAt, dispatched) : dispatched;
    const handlerMs = tookMs === null ? null : Math.min(tookMs, answered - from);
    if (hasLoaded) this.#scaler.started(sandbox.createdAt, loadedAt);
    this.#scaler.served({ since, from, to: answered, tookMs: handlerMs ?? answered - from });
    this.#context.metrics.invoked(start, {
      waitMs: dispatched - since,
      loadMs: hasLoaded ? from - dispatched : null,
      handlerMs,
      exchangeMs: answered - dispatched,
    });
  }

  /** Puts a request back to the head of the queue. */
  #again(waiting: Waiting): Promise<InvocationResult> {
    const { promise, resolve, reject } = Promise.withResolvers<InvocationResult>();
    this.#queue.unshift({ ...waiting, resolve, reject });
    this.#pump();
    return promise;
  }

  async #startInstance(place: Place): Promise<void> {
    this.#starting++;
    this.#scaler.begun();
    try {
      this.#release(await this.#makeInstance(place));
    } catch (error) {
      place.end();
      this.#queue.shift()?.reject(toOlError(error));
    } finally {
      this.#starting--;
      this.#pump();
    }
  }

  async #makeInstance(place: Place): Promise<Instance> {
    const { registry, engine } = this.#context;
    const code = this.#code;
    if (code === null) throw new OlError('ERR_INTERNAL', { reason: `${this.name} has no code yet` });
    // Its copy of the code has to stay for as long as the sandbox lives.
    const letGo = registry.retain(code);
    try {
      const sandbox = await engine.create(code, this.#lock);
      const instance = new Instance(sandbox, code, place, (ended, reason) => this.#drop(ended, reason));
      this.#instances.add(instance);
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

  /** A busy one is dropped when it has answered. */
  #retire(instance: Instance): void {
    instance.isRetired = true;
    if (this.#idle.includes(instance)) this.#drop(instance, 'orphaned');
  }

  /** Gives a free instance its next request, or puts it to the idle ones; unless it has been replaced, or its code. */
  #release(instance: Instance): void {
    if (instance.isRetired) return this.#drop(instance, 'orphaned');
    if (instance.code.version !== this.#code?.version) return this.#drop(instance, 'replaced');
    const since = this.#queue[0]?.since;
    if (since !== undefined && this.#context.memory.isOwed(this, since))
      return this.#drop(instance, 'evicted');
    // First the queue: the LRU may have no room, and would evict an instance that has just been made for a request.
    if (this.#dispatch(instance)) return;
    this.#idle.push(instance);
    if (this.#instances.size > 1) this.#scaler.mayDrop();
    this.#context.idle.add(instance);
    this.#context.pauser.add(instance);
    void this.#measure(instance);
    this.#context.memory.serve();
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

  #retireIdle(reason: EndReason): void {
    for (const instance of [...this.#idle]) this.#drop(instance, reason);
  }

  #dropSurplus(): void {
    const count = this.#scaler.toDrop(this.#idle, this.#busy + this.#starting);
    for (const instance of this.#idle.slice(0, count)) this.#drop(instance, 'surplus');
  }

  #drop(instance: Instance, reason: EndReason): void {
    this.#forget(instance);
    this.#context.metrics.ended(reason);
    instance.place.leave(instance.memoryKb);
    void instance.sandbox.destroy(END_REASONS[reason]);
  }

  #forget(instance: Instance): void {
    this.#instances.delete(instance);
    this.#context.idle.remove(instance);
    const at = this.#idle.indexOf(instance);
    if (at >= 0) this.#idle.splice(at, 1);
  }
}
