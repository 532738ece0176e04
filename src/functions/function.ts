import { isOlError, OlError, toOlError } from '../errors.ts';
import type { Packages } from '../packages/packages.ts';
import type { SandboxResponse } from '../sandbox/sandbox.ts';
import type { StartKind } from '../telemetry/metrics.ts';
import { monotonicNs, Stopwatch, type Timing } from '../telemetry/timing.ts';
import { CodeSupply, type Supplied } from './code-supply.ts';
import { HoldBack } from './hold-back.ts';
import type { Instance } from './instance.ts';
import { Instances, type InstancesContext } from './instances.ts';
import type { Place } from './memory-place.ts';
import type { Claimant, MemoryPool } from './memory-pool.ts';
import { Scaler } from './scaler.ts';
import type { Turn } from './turn.ts';

/** What all functions of a worker share. */
export interface FunctionContext extends InstancesContext {
  readonly packages: Packages;
  readonly turn: Turn;
  readonly memory: MemoryPool;
  readonly maxRunners: number;
  /** How long an idle instance is kept that the function has no use for. */
  readonly surplusKeepMs: number;
  readonly queueMax: number;
  readonly timeoutMs: number;
  readonly responseMaxBytes: number;
  /** Gets the steps of each request; null for none. */
  readonly timing: Timing | null;
}

export interface InvocationResult {
  readonly response: SandboxResponse;
  readonly start: StartKind;
}

/** One request on its way. */
export interface Invocation {
  readonly result: Promise<InvocationResult>;
  /** Takes it out of the queue, where it is in there still; null where an instance had it at once. */
  readonly cancel: (() => void) | null;
}

interface Waiting {
  readonly body: Buffer;
  /** When it came, in ms of `performance.now()`. */
  readonly since: number;
  /** The same moment in ns, where timing is on. */
  readonly sinceNs: number;
  readonly resolve: (result: InvocationResult) => void;
  readonly reject: (error: unknown) => void;
  /** An instance has it. */
  isGiven: boolean;
  /** Nobody wants the answer any more. */
  isCancelled: boolean;
  /** A sandbox that had never served died before it took this. */
  isSecondTry: boolean;
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
 * 3. `#pump` gives the oldest request to an idle instance.
 * 4. For what still waits, `#pump` starts instances, as many as the policy in `scaling.ts` says and the memory pool has
 *    room for. It asks that again whenever a request comes or is done, and when nothing has happened for a while; where
 *    there was no room, `roomMade` goes on later.
 *    None is started for a function whose sandboxes keep using up what they may have (`back-off.ts`).
 * 5. An instance that has served, or has just been made, takes the next request that waits (`#release`), unless another
 *    function's request has waited for memory for longer.
 * 6. Where none waits it is kept idle; one of many that is idle for long is dropped.
 */
export class OlFunction implements Claimant {
  readonly name: string;
  readonly #context: FunctionContext;
  readonly #queue: Waiting[] = [];
  readonly #instances: Instances;
  readonly #scaler: Scaler;
  readonly #holdBack: HoldBack;
  readonly #supply: CodeSupply;
  /** Which pull the code that is used came from. */
  #codePull = 0;
  #starting = 0;
  #pulling = 0;

  constructor(name: string, context: FunctionContext) {
    this.name = name;
    this.#context = context;
    this.#supply = new CodeSupply(name, context);
    this.#instances = new Instances(name, context);
    this.#scaler = new Scaler({
      max: context.maxRunners,
      keepMs: context.surplusKeepMs,
      onQuiet: () => this.#startMissing('as it is quiet'),
      onSurplus: () => this.#dropSurplus(),
    });
    const { metrics, log } = context;
    this.#holdBack = new HoldBack({ name, metrics, log, onOver: () => this.#pump() });
  }

  get instances(): Iterable<Instance> {
    return this.#instances.all;
  }

  /** What is held back does not wait for memory: nobody should be evicted for it. */
  get waitingSince(): number | null {
    return this.#startsAllowed === 0 ? null : (this.#queue[this.#starting]?.since ?? null);
  }

  get needKb(): number | null {
    return this.#instances.needKb;
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

  /** True while no sandbox is started for it, because its sandboxes keep using up what they may have. */
  get isHeldBack(): boolean {
    return this.#holdBack.isHeld;
  }

  /** True where there is something to remember of it for a while. */
  get hasStrikes(): boolean {
    return this.#holdBack.hasStrikes;
  }

  /** True when nothing waits, runs, is kept or is to be remembered. */
  get isUnused(): boolean {
    return (
      this.#instances.count + this.#queue.length + this.#starting + this.#pulling === 0 && !this.hasStrikes
    );
  }

  invoke(body: Buffer): Invocation {
    const { promise, resolve, reject } = Promise.withResolvers<InvocationResult>();
    const waiting: Waiting = {
      body,
      since: performance.now(),
      sinceNs: this.#context.timing === null ? 0 : monotonicNs(),
      resolve,
      reject,
      isGiven: false,
      isCancelled: false,
      isSecondTry: false,
    };
    try {
      const supplied = this.#supply.next();
      if (supplied instanceof Promise) void this.#acceptThen(supplied, waiting);
      else this.#accept(supplied, waiting);
    } catch (error) {
      this.#refuse(waiting, error);
    }
    return { result: promise, cancel: waiting.isGiven ? null : () => this.#cancel(waiting) };
  }

  async #acceptThen(pending: Promise<Supplied>, waiting: Waiting): Promise<void> {
    this.#pulling++;
    try {
      const supplied = await pending;
      if (waiting.isCancelled) this.#giveUp(waiting);
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
    if (known.code === 'ERR_NO_FUNCTION') this.#instances.dropIdle('removed');
    waiting.reject(known);
  }

  #use({ pull, code, lock }: Supplied): void {
    // A pull that began later has seen at least as much: never go back behind it, others may have been promised that.
    if (pull < this.#codePull) return;
    this.#codePull = pull;
    if (!this.#instances.use(code, lock)) return;
    this.#context.log.info({ function: this.name, version: code.version.slice(0, 16) }, 'new code');
    this.#scaler.forget();
    this.#holdBack.forget();
  }

  #cancel(waiting: Waiting): void {
    waiting.isCancelled = true;
    const at = this.#queue.indexOf(waiting);
    if (at < 0) return;
    this.#queue.splice(at, 1);
    this.#giveUp(waiting);
  }

  /** Nobody reads this any more, but whoever counts the calls has to see that it is over. */
  #giveUp(waiting: Waiting): void {
    waiting.reject(new OlError('ERR_CLIENT_GONE', { name: this.name }));
  }

  #pump(): void {
    while (this.#queue.length > 0) {
      const instance = this.#instances.take();
      if (instance === null) break;
      this.#dispatch(instance);
    }
    this.#startMissing('as something happened');
  }

  #startMissing(asked: 'as something happened' | 'as it is quiet'): void {
    if (this.#queue.length === 0) return;
    const allowed = this.#startsAllowed;
    if (allowed === 0) return;
    const countLoading = () => this.#instances.countLoading();
    const atWork = { starting: this.#starting, busy: this.#instances.busy, countLoading };
    const wanted = this.#scaler.toStart(this.#queue.length, atWork, asked);
    for (let count = Math.min(wanted, allowed); count > 0; count--) {
      const place = this.#context.memory.take(this);
      if (place === null) return;
      void this.#start(place);
    }
  }

  get #startsAllowed(): number {
    return this.#holdBack.startsAllowed(this.#starting + this.#instances.busy);
  }

  async #start(place: Place): Promise<void> {
    this.#starting++;
    this.#scaler.begun();
    try {
      this.#release(await this.#instances.make(place));
    } catch (error) {
      place.end();
      this.#queue.shift()?.reject(toOlError(error));
    } finally {
      this.#starting--;
      this.#pump();
    }
  }

  /** Gives the oldest request to an instance that is free; false when none waits. */
  #dispatch(instance: Instance): boolean {
    const waiting = this.#queue.shift();
    if (waiting === undefined) return false;
    waiting.isGiven = true;
    void this.#serve(instance, waiting);
    return true;
  }

  async #serve(instance: Instance, waiting: Waiting): Promise<void> {
    const { start } = instance;
    const { body, since, sinceNs } = waiting;
    const { timeoutMs, responseMaxBytes, timing } = this.#context;
    const dispatched = performance.now();
    const watch = timing === null ? null : new Stopwatch(timing, sinceNs);
    this.#context.memory.watch();
    try {
      watch?.lap(`${start}:wait`);
      const response = await instance.serve({ body, timeoutMs, responseMaxBytes });
      watch?.lap(`${start}:exchange`);
      const answered = performance.now();
      instance.answered(answered);
      this.#learn(instance, start, response, { since, dispatched, answered });
      this.#instances.answered(instance);
      this.#holdBack.answered();
      this.#release(instance);
      waiting.resolve({ response, start });
    } catch (error) {
      this.#instances.drop(instance, 'failed');
      this.#failed(waiting, start, error);
    }
    this.#pump();
  }

  #failed(waiting: Waiting, start: StartKind, error: unknown): void {
    const isFirst = start !== 'warm';
    // No handler has seen the request. One that has never served may die of its own code: once more, and not for ever.
    if (!isOlError(error, 'ERR_SANDBOX_GONE') || (isFirst && waiting.isSecondTry))
      return waiting.reject(this.#holdBack.failed(error));
    waiting.isSecondTry ||= isFirst;
    this.#queue.unshift(waiting);
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

  /** Gives a free instance its next request, or puts it to the idle ones; unless it is of no use, or its memory is needed. */
  #release(instance: Instance): void {
    const reason = this.#instances.reasonToEnd(instance);
    if (reason !== null) return this.#instances.drop(instance, reason);
    const since = this.#queue[0]?.since;
    if (since !== undefined && this.#context.memory.isOwed(this, since))
      return this.#instances.drop(instance, 'evicted');
    // First the queue: the LRU may have no room, and would evict an instance that has just been made for a request.
    if (this.#dispatch(instance)) return;
    this.#instances.keep(instance);
    if (this.#instances.count > 1) this.#scaler.mayDrop();
    this.#context.memory.serve();
  }

  #dropSurplus(): void {
    const { idle, busy } = this.#instances;
    this.#instances.dropIdle('surplus', this.#scaler.toDrop(idle, busy + this.#starting));
  }
}
