import type { Log } from '../../telemetry/log.ts';
import type { ImportZygote } from '../zygotes.ts';
import type { PackageZygote } from './package-zygote.ts';
import { ScratchPool, type ScratchPoolOptions } from './scratch-pool.ts';
import { Spare, type SpareMaterials } from './spare.ts';
import { Spares } from './spares.ts';

/** One that is asked for sandboxes has so many ready; they go when nobody has asked for so long. */
const SPARES = 2;
const SPARES_KEPT_MS = 10_000;

export interface PackageNurseryOptions {
  readonly zygote: PackageZygote;
  readonly cgroups: SpareMaterials['cgroups'];
  readonly scratch: Omit<ScratchPoolOptions, 'uids' | 'keep'>;
  readonly nextId: () => number;
  readonly log: Log;
}

/** Where the sandboxes of one package zygote come from. */
export class PackageNursery implements ImportZygote {
  readonly zygote: PackageZygote;
  readonly #scratches: ScratchPool;
  readonly #spares: Spares;
  readonly #fork: () => Spare;
  #lastTake: NodeJS.Timeout | null = null;
  readonly #ended: Promise<void>;
  #isGone = false;

  constructor({ zygote, cgroups, scratch, nextId, log }: PackageNurseryOptions) {
    this.zygote = zygote;
    this.#scratches = new ScratchPool({ ...scratch, uids: zygote.uids, keep: SPARES });
    const materials = { scratches: this.#scratches, cgroups, log };
    this.#fork = () => new Spare(nextId(), zygote, materials);
    this.#spares = new Spares({ wanted: 0, fork: this.#fork, log });
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

  /** A spare, perhaps one that is still on its way; null where there can be no more. */
  take(): Spare | null {
    if (this.#isGone || (this.zygote.uids.isFull && this.#spares.isEmpty)) return null;
    this.#keepSpares();
    return this.#spares.take();
  }

  async close(): Promise<void> {
    await this.zygote.close();
    await this.#ended;
  }

  #keepSpares(): void {
    this.#spares.want(SPARES);
    if (this.#lastTake !== null) clearTimeout(this.#lastTake);
    this.#lastTake = setTimeout(() => this.#spares.want(0), SPARES_KEPT_MS).unref();
  }

  async #end(): Promise<void> {
    this.#isGone = true;
    if (this.#lastTake !== null) clearTimeout(this.#lastTake);
    await this.#spares.close();
    await this.#scratches.close();
  }
}
