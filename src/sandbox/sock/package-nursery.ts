import type { Log } from '../../telemetry/log.ts';
import { ScratchPool, type ScratchPoolOptions } from '../scratch/scratch-pool.ts';
import type { ImportZygote, Loaded } from '../zygotes.ts';
import { HotPages } from './hot-pages.ts';
import type { PackageZygote } from './package-zygote.ts';
import { Spare, type SpareMaterials } from './spare.ts';
import { Spares } from './spares.ts';

/**
 * A zygote that is asked for sandboxes again and again has some ready, up to so many, from the second time in so short a while
 * on. They go when nobody has asked for so long: each takes memory, and there may be hundreds of zygotes.
 */
const MAX_SPARES = 2;
const TAKES_PER_SPARE = 2;
const AGAIN_MS = 1000;
const SPARES_KEPT_MS = 10_000;
/** Forking a large interpreter takes some ms, about as long as a call that was forked from it takes to be answered. */
const REFILL_AFTER_MS = 5;

export interface PackageNurseryOptions {
  readonly zygote: PackageZygote;
  /** Of the zygote that it was forked from; null for the root zygote. */
  readonly parent: PackageNursery | null;
  readonly cgroups: SpareMaterials['cgroups'];
  readonly scratch: Omit<ScratchPoolOptions, 'uids' | 'keep'>;
  readonly nextId: () => number;
  readonly log: Log;
}

/** Where the sandboxes of one package zygote come from. */
export class PackageNursery implements ImportZygote {
  readonly zygote: PackageZygote;
  readonly #parent: PackageNursery | null;
  readonly #scratches: ScratchPool;
  readonly #spares: Spares;
  readonly #fork: () => Spare;
  readonly #log: Log;
  #idle: NodeJS.Timeout | null = null;
  /** So often in a row somebody has asked again soon. */
  #takes = 0;
  #lastTake = Number.NEGATIVE_INFINITY;
  readonly #ended: Promise<void>;
  #isGone = false;

  constructor({ zygote, parent, cgroups, scratch, nextId, log }: PackageNurseryOptions) {
    this.zygote = zygote;
    this.#parent = parent;
    this.#log = log;
    this.#scratches = new ScratchPool({ ...scratch, uids: zygote.uids, keep: MAX_SPARES });
    const hotPages = new HotPages({ zygote, log });
    // Looking takes ms, and only pays where there are spares.
    const answered = (pid: number) => (this.#takes >= TAKES_PER_SPARE ? hotPages.answered(pid) : null);
    const materials = { scratches: this.#scratches, cgroups, log, answered };
    this.#fork = () => new Spare(nextId(), zygote, materials);
    this.#spares = new Spares({ wanted: 0, fork: this.#fork, refillAfterMs: REFILL_AFTER_MS, log });
    this.#ended = zygote.gone.then(() => this.#end());
  }

  get gone(): Promise<string> {
    return this.zygote.gone;
  }

  get memoryKb(): number {
    return this.zygote.memoryKb;
  }

  get importMs(): number {
    return this.zygote.importMs;
  }

  get loaded(): Loaded {
    return this.zygote.loaded;
  }

  /**
   * Forks a first spare, which is kept for whoever asks first. Returns why a sandbox can't be made, null where it can: code
   * that was imported may be in the way of every fork.
   */
  async tryOut(timeoutMs: number): Promise<string | null> {
    const spare = this.#fork();
    const late = setTimeout(() => spare.process.kill(), timeoutMs);
    await spare.process.waiting;
    clearTimeout(late);
    if (spare.process.isWaiting) {
      this.#spares.add(spare);
      this.#keepSpares();
      return null;
    }
    const { failure } = await spare.gone;
    return failure ?? 'what was forked from it did not get as far as a sandbox has to';
  }

  /**
   * A spare, perhaps one that is still on its way; of the parent where there can be no more, or its parent; null where there is none
   * but the root zygote.
   */
  take(): Spare | null {
    return this.#takeOwn() ?? this.#parent?.take() ?? null;
  }

  #takeOwn(): Spare | null {
    if (this.#isGone || (this.zygote.uids.isFull && this.#spares.isEmpty)) return null;
    const spare = this.#tryTaking();
    const now = performance.now();
    this.#takes = now - this.#lastTake > AGAIN_MS ? 1 : this.#takes + 1;
    this.#lastTake = now;
    const wanted = Math.min(MAX_SPARES, Math.floor(this.#takes / TAKES_PER_SPARE));
    this.#spares.want(this.zygote.uids.isFull ? 0 : wanted);
    this.#keepSpares();
    return spare;
  }

  /** What a fork needs may run out; the root zygote has spares that were made before. */
  #tryTaking(): Spare | null {
    try {
      return this.#spares.take();
    } catch (error) {
      this.#log.warn({ err: error }, 'no sandbox was forked from a zygote with packages');
      return null;
    }
  }

  async close(): Promise<void> {
    await this.zygote.close();
    await this.#ended;
  }

  #keepSpares(): void {
    if (this.#idle !== null) clearTimeout(this.#idle);
    this.#idle = setTimeout(() => this.#spares.want(0), SPARES_KEPT_MS).unref();
  }

  async #end(): Promise<void> {
    this.#isGone = true;
    if (this.#idle !== null) clearTimeout(this.#idle);
    await this.#spares.close();
    await this.#scratches.close();
  }
}
