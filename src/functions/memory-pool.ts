import { isOutOfDescriptors } from '../linux/out-of-descriptors.ts';
import type { Log } from '../telemetry/log.ts';
import { admit, type Eviction, evictionsFor, freeKb, marginKb, type PoolState } from './admission.ts';
import type { IdleLru } from './idle-lru.ts';
import { Place } from './memory-place.ts';

/** What measures the memory of all sandboxes together. */
export interface MemoryGauge {
  memoryKb(): number;
  /** How much of it the kernel takes back by itself. */
  reclaimableKb(): number;
}

/** Something that uses memory of the pool as long as nobody else needs it: the zygotes of the import cache. */
export interface Lender {
  /** What could be given back now. */
  readonly lendableKb: number;
  /** Gives back so much, or all that is to be had. `gone` resolves when that much is free, and never rejects. */
  giveBack(kb: number): { readonly kb: number; readonly gone: Promise<void> };
}

/** Something that starts sandboxes. */
export interface Claimant {
  /** Since when the oldest request waits that no sandbox in the making is for, as `performance.now()`; null for none. */
  readonly waitingSince: number | null;
  /** What one more sandbox will take; null where that is not known yet. */
  readonly needKb: number | null;
  /** Called when there may be room after a `take` that gave none. */
  roomMade(): void;
}

export interface MemoryPoolOptions {
  readonly poolMb: number;
  /** The most that one sandbox may take. */
  readonly limitMb: number;
  readonly gauge: MemoryGauge;
  readonly idle: IdleLru;
  readonly log: Log;
}

const KB_PER_MB = 1024;
/**
 * How often to look while sandboxes are at work. In this time, one process can take some 50 MB (measured: 1 GB/s), less
 * than the margin of a usual limit.
 */
const LOOK_EVERY_MS = 50;
/** Reading it adds up the figures of all cgroups, so it is not read more often than this. */
const RECLAIMABLE_FOR_MS = 20;

/**
 * The memory of all sandboxes of a worker, and of its zygotes, within one bound. Decisions are made in `admission.ts`; this keeps count, and
 * lets those wait that have to, in the order of their requests whatever function they are of.
 */
export class MemoryPool {
  readonly #options: MemoryPoolOptions;
  readonly #bounds: Pick<PoolState, 'poolKb' | 'limitKb'>;
  readonly #waiting = new Set<Claimant>();
  readonly #places = new Set<Place>();
  #reservedKb = 0;
  #endingKb = 0;
  #ending = 0;
  #lender: Lender | null = null;
  #givingBack = 0;
  #reclaimableKb = 0;
  #reclaimableAt = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | null = null;
  #chosen: Claimant | null = null;

  constructor(options: MemoryPoolOptions) {
    this.#options = options;
    this.#bounds = { poolKb: options.poolMb * KB_PER_MB, limitKb: options.limitMb * KB_PER_MB };
  }

  /** What of the pool may be used until sandboxes need it: what nobody uses, and what idle ones do. */
  get roomKb(): number {
    const usedKb = this.#options.gauge.memoryKb() - this.#reclaimable();
    return freeKb(this.#stateWith(usedKb)) + this.#options.idle.totalKb;
  }

  /** Names who has to give memory back when sandboxes need it. */
  borrowFrom(lender: Lender): void {
    this.#lender = lender;
  }

  /** A place for one more sandbox. Null where the claimant has to wait; it is told when there may be room. */
  take(claimant: Claimant): Place | null {
    const since = claimant.waitingSince ?? Number.POSITIVE_INFINITY;
    const isItsTurn = this.#chosen === claimant || !this.isOwed(claimant, since);
    this.#chosen = null;
    const needKb = this.#needOf(claimant);
    if (isItsTurn && this.#makeRoom(needKb)) {
      this.#waiting.delete(claimant);
      return this.#place(needKb);
    }
    if (this.#waiting.size === 0) this.#options.log.warn(this.#figures(), 'cold starts wait for memory');
    this.#waiting.add(claimant);
    this.watch();
    return null;
  }

  /** True where somebody else has waited for longer than `since`: then a sandbox that is free should make room. */
  isOwed(claimant: Claimant, since: number): boolean {
    for (const one of this.#waiting) {
      if (one !== claimant && (one.waitingSince ?? Number.POSITIVE_INFINITY) < since) return true;
    }
    return false;
  }

  /** Has to be called whenever a sandbox gets to work: it may grow. */
  watch(): void {
    this.#timer ??= setTimeout(() => this.#look(), LOOK_EVERY_MS).unref();
  }

  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#waiting.clear();
  }

  #place(needKb: number): Place {
    this.#reservedKb += needKb;
    const place: Place = new Place({
      settled: () => {
        this.#reservedKb -= needKb;
      },
      left: (kb) => {
        this.#ending++;
        this.#endingKb += kb;
      },
      gone: (kb) => {
        this.#places.delete(place);
        if (kb !== null) {
          this.#ending--;
          this.#endingKb -= kb;
        }
        this.serve();
      },
    });
    this.#places.add(place);
    this.watch();
    return place;
  }

  /** Lets those start that wait, as far as there is room now. Call it when a sandbox has become idle. */
  serve(): void {
    while (this.#waiting.size > 0) {
      const first = this.#oldest();
      if (first === null || !this.#makeRoom(this.#needOf(first))) return;
      this.#waiting.delete(first);
      this.#chosen = first;
      first.roomMade();
      this.#chosen = null;
    }
  }

  /** Whose request came first; forgets those that have none any more. */
  #oldest(): Claimant | null {
    let [oldest, oldestSince] = [null as Claimant | null, Number.POSITIVE_INFINITY];
    for (const one of this.#waiting) {
      const since = one.waitingSince;
      if (since === null) this.#waiting.delete(one);
      else if (since < oldestSince) [oldest, oldestSince] = [one, since];
    }
    return oldest;
  }

  #needOf({ needKb }: Claimant): number {
    return Math.min(needKb ?? marginKb(this.#bounds), this.#bounds.limitKb);
  }

  #makeRoom(needKb: number): boolean {
    const admission = admit(this.#state(needKb), needKb, this.#idleKb());
    if (admission.kind === 'evict') this.#evict(admission);
    return admission.kind === 'start';
  }

  #look(): void {
    this.#timer = null;
    this.#evict(evictionsFor(this.#state(0), this.#idleKb()));
    this.serve();
    if (this.#waiting.size > 0 || this.#active > 0) this.watch();
  }

  #evict({ idle, zygotesKb }: Eviction): void {
    this.#options.idle.evictOldest(idle);
    if (this.#lender === null || zygotesKb === 0) return;
    const { kb, gone } = this.#lender.giveBack(zygotesKb);
    this.#givingBack++;
    this.#endingKb += kb;
    void gone.then(() => {
      this.#givingBack--;
      this.#endingKb -= kb;
      this.serve();
    });
  }

  *#idleKb(): Iterable<number> {
    for (const { memoryKb } of this.#options.idle.oldestFirst()) yield memoryKb;
  }

  get #active(): number {
    return this.#places.size - this.#options.idle.size - this.#ending;
  }

  /** Measured as exactly as it takes to tell whether there is room for so much. */
  #state(needKb: number): PoolState {
    const usedKb = this.#options.gauge.memoryKb();
    const state = this.#stateWith(usedKb);
    if (freeKb(state) >= needKb) return state;
    const zygotesKb = this.#lender?.lendableKb ?? 0;
    return this.#stateWith(Math.max(0, usedKb - this.#reclaimable()), zygotesKb);
  }

  #stateWith(usedKb: number, zygotesKb = 0): PoolState {
    return {
      ...this.#bounds,
      usedKb,
      reservedKb: this.#reservedKb,
      ending: this.#ending + this.#givingBack,
      endingKb: this.#endingKb,
      active: this.#active,
      zygotesKb,
    };
  }

  #reclaimable(): number {
    const now = performance.now();
    if (now - this.#reclaimableAt > RECLAIMABLE_FOR_MS) {
      this.#reclaimableKb = this.#measureReclaimable();
      this.#reclaimableAt = now;
    }
    return this.#reclaimableKb;
  }

  /** Where no descriptor is left to look with, as little as can be. */
  #measureReclaimable(): number {
    try {
      return this.#options.gauge.reclaimableKb();
    } catch (error) {
      if (!isOutOfDescriptors(error)) throw error;
      return 0;
    }
  }

  #figures() {
    const { poolKb, usedKb, reservedKb, ending, active } = this.#state(0);
    return { poolKb, usedKb, reservedKb, ending, active, idle: this.#options.idle.size };
  }
}
