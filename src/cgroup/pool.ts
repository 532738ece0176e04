import { onceThereAreDescriptors } from '../linux/out-of-descriptors.ts';
import type { Log } from '../telemetry/log.ts';
import type { Cgroup, CgroupDriver, CgroupLimits } from './cgroup.ts';
import { errnoOf } from './control-file.ts';

export interface PoolOptions {
  readonly driver: CgroupDriver;
  /** How many are kept ready at most: so many are made at first, and later what is missing to half of them. */
  readonly size: number;
  readonly limits: CgroupLimits;
  readonly log: Log;
}

/**
 * Cgroups that are made ahead of time and used again, off the path of a request. Making one takes several times as long
 * as using one again, so later ones leave room for those that are about to come back.
 */
export class CgroupPool {
  readonly #options: PoolOptions;
  readonly #ready: Cgroup[] = [];
  /** What is being given back or destroyed. */
  readonly #pending = new Set<Promise<void>>();
  #refill: NodeJS.Immediate | null = null;
  #made = 0;
  #isClosed = false;

  constructor(options: PoolOptions) {
    this.#options = options;
    this.#fill(options.size);
  }

  /** A cgroup with the pool's limits and nothing in it; a new one where none is ready. */
  take(): Cgroup {
    const cgroup = this.#ready.pop() ?? this.#make();
    this.#fill(this.#options.size / 2);
    return cgroup;
  }

  /** Takes a cgroup back, and ends what is still in it. Its limits may have been changed. */
  giveBack(cgroup: Cgroup): void {
    const pending: Promise<void> = onceThereAreDescriptors(() => this.#recycle(cgroup))
      .catch((error: unknown) => {
        // Nobody waits for this: the group stays where it is, and the next start of the worker removes it.
        this.#options.log.error({ err: error, cgroup: cgroup.name }, 'cgroup not given back');
      })
      .finally(() => this.#pending.delete(pending));
    this.#pending.add(pending);
  }

  /** Destroys those that are ready; resolves when what was given back is gone as well. */
  async close(): Promise<void> {
    this.#isClosed = true;
    if (this.#refill !== null) clearImmediate(this.#refill);
    await Promise.all([...this.#ready.splice(0).map((cgroup) => cgroup.destroy()), ...this.#pending]);
  }

  async #recycle(cgroup: Cgroup): Promise<void> {
    if (this.#isFull || !(await this.#isRenewed(cgroup))) return await cgroup.destroy();
    cgroup.setLimits(this.#options.limits);
    if (this.#isFull) await cgroup.destroy();
    else this.#ready.push(cgroup);
  }

  /** False where something is still in it. */
  async #isRenewed(cgroup: Cgroup): Promise<boolean> {
    try {
      await cgroup.reset();
      return true;
    } catch (error) {
      if (errnoOf(error) !== 'EBUSY') throw error;
      return false;
    }
  }

  get #isFull(): boolean {
    return this.#isClosed || this.#ready.length >= this.#options.size;
  }

  /** Until so many are ready. One a turn of the event loop, so that requests come in between. */
  #fill(count: number): void {
    const isDone = () => this.#isClosed || this.#ready.length >= count;
    if (this.#refill !== null || isDone()) return;
    this.#refill = setImmediate(() => {
      this.#refill = null;
      if (!isDone() && this.#tryMake()) this.#fill(count);
    });
  }

  /** In the background there is nobody to throw at; whoever takes from an empty pool is told. */
  #tryMake(): boolean {
    try {
      this.#ready.push(this.#make());
      return true;
    } catch (error) {
      this.#options.log.error({ err: error }, 'no cgroup made ahead of time');
      return false;
    }
  }

  #make(): Cgroup {
    const cgroup = this.#options.driver.create(`${++this.#made}`);
    cgroup.setLimits(this.#options.limits);
    return cgroup;
  }
}
