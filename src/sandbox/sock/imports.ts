import { join } from 'node:path';
import type { Cgroup } from '../../cgroup/cgroup.ts';
import type { CgroupPool } from '../../cgroup/pool.ts';
import { OlError } from '../../errors.ts';
import type { Log } from '../../telemetry/log.ts';
import type { ImportRequest, ImportZygote } from '../zygotes.ts';
import type { Nursery } from './nursery.ts';
import { PackageNursery, type PackageNurseryOptions } from './package-nursery.ts';
import { PackageZygote } from './package-zygote.ts';
import type { Zygote } from './zygote.ts';

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
    const { nursery, importsDir, cgroups, scratch, log } = this.#options;
    const from: Zygote = parent === null ? await nursery.zygote() : this.of(parent).zygote;
    if (this.#isClosed) throw new OlError('ERR_SHUTTING_DOWN', {});
    const id = nursery.nextId();
    const zygote = await PackageZygote.start({
      parent: from,
      id,
      home: join(importsDir, String(id)),
      wanted: { directories, modules },
      makeCgroup: this.#options.zygoteCgroup,
      timeoutMs: this.#options.importTimeoutMs,
      silentMs: this.#options.zygoteSilentMs,
      log,
    });
    const made = new PackageNursery({ zygote, cgroups, scratch, nextId: () => nursery.nextId(), log });
    this.#nurseries.add(made);
    void made.gone.then(() => this.#nurseries.delete(made));
    const reason = await made.tryOut(this.#options.importTimeoutMs);
    if (reason === null) return made;
    await made.close();
    throw new OlError('ERR_IMPORT', { modules: modules.join(', '), reason });
  }
}
