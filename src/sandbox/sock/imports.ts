import { join } from 'node:path';
import type { Cgroup } from '../../cgroup/cgroup.ts';
import type { CgroupPool } from '../../cgroup/pool.ts';
import { OlError } from '../../errors.ts';
import type { Log } from '../../telemetry/log.ts';
import type { ImportRequest, ImportZygote } from '../zygotes.ts';
import type { Wanted } from './control.ts';
import type { Nursery } from './nursery.ts';
import { PackageNursery, type PackageNurseryOptions } from './package-nursery.ts';
import { brokenModule, PackageZygote } from './package-zygote.ts';
import type { Zygote } from './zygote.ts';

/** How many modules that raise are done without. */
const MAX_TRIES = 5;

export interface ImportsOptions {
  readonly nursery: Nursery;
  readonly importsDir: string;
  readonly cgroups: CgroupPool | null;
  readonly zygoteCgroup: ((name: string) => Cgroup) | null;
  readonly importTimeoutMs: number;
  readonly zygoteSilentMs: number;
  readonly scratch: PackageNurseryOptions['scratch'];
  readonly log: Log;
}

/** The package zygotes of an engine. */
export class Imports {
  readonly #options: ImportsOptions;
  readonly #nurseries = new Set<PackageNursery>();
  readonly #starting = new Set<Promise<unknown>>();
  #isClosed = false;

  constructor(options: ImportsOptions) {
    this.#options = options;
  }

  /** Rejects with ERR_IMPORT, ERR_ZYGOTE. */
  async start(request: ImportRequest): Promise<ImportZygote> {
    const starting = this.#start(request);
    this.#starting.add(starting);
    try {
      return await starting;
    } finally {
      this.#starting.delete(starting);
    }
  }

  /** The nursery that it is. */
  of(zygote: ImportZygote): PackageNursery {
    if (zygote instanceof PackageNursery) return zygote;
    throw new OlError('ERR_INTERNAL', { reason: 'a zygote of another engine' });
  }

  /** Ends all; resolves when they are gone. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const closing = () => [...this.#nurseries].map((nursery) => nursery.close());
    await Promise.all(closing());
    await Promise.allSettled(this.#starting);
    await Promise.all(closing());
  }

  async #start({ parent, directories, modules }: ImportRequest): Promise<ImportZygote> {
    const { nursery, cgroups, scratch, log } = this.#options;
    const from: Zygote = parent === null ? await nursery.zygote() : this.of(parent).zygote;
    if (this.#isClosed) throw new OlError('ERR_SHUTTING_DOWN', {});
    const zygote = await this.#importWhatCan(from, { directories, modules });
    const nextId = () => nursery.nextId();
    const above = parent === null ? null : this.of(parent);
    const made = new PackageNursery({ zygote, parent: above, cgroups, scratch, nextId, log });
    this.#nurseries.add(made);
    void made.gone.then(() => this.#nurseries.delete(made));
    const reason = await made.tryOut(this.#options.importTimeoutMs);
    if (reason === null) return made;
    await made.close();
    throw new OlError('ERR_IMPORT', { modules: modules.join(', '), reason });
  }

  /**
   * A module that raises while it is imported leaves a process in which it can't be imported any more, nor in those that are
   * forked from it. So the others are imported in another one, without it.
   */
  async #importWhatCan(parent: Zygote, wanted: Wanted): Promise<PackageZygote> {
    for (let modules = wanted.modules, tries = 1; ; tries++) {
      try {
        return await this.#import(parent, { ...wanted, modules });
      } catch (error) {
        const broken = brokenModule(error);
        modules = modules.filter((module) => module !== broken);
        if (broken === null || modules.length === 0 || tries === MAX_TRIES) throw error;
        this.#options.log.info(
          { module: broken, reason: (error as Error).message },
          'a module is not imported ahead',
        );
      }
    }
  }

  async #import(parent: Zygote, wanted: Wanted): Promise<PackageZygote> {
    const { nursery, importsDir, zygoteCgroup: makeCgroup, importTimeoutMs: timeoutMs } = this.#options;
    const { zygoteSilentMs: silentMs, log } = this.#options;
    const id = nursery.nextId();
    const home = join(importsDir, String(id));
    return await PackageZygote.start({ parent, id, home, wanted, makeCgroup, timeoutMs, silentMs, log });
  }
}
