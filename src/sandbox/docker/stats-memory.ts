import { asked, type Daemon } from '../../docker/client.ts';
import type { Log } from '../../telemetry/log.ts';
import type { MemoryOfContainer } from './memory.ts';

const BYTES_PER_KB = 1024;
/** An answer of the daemon takes some milliseconds, and the pool of memory looks every 50. */
const ASK_EVERY_MS = 200;

/** The part of the daemon's answer that is used; the one name is of cgroup v1, the other of v2. */
interface Stats {
  readonly memory_stats?: {
    readonly usage?: number;
    readonly stats?: { readonly total_inactive_file?: number; readonly inactive_file?: number };
  };
}

/** What the daemon tells of a container whose cgroup can't be seen from here. A figure may be a fifth of a second old. */
export class StatsMemory implements MemoryOfContainer {
  readonly #daemon: Daemon;
  readonly #id: string;
  readonly #log: Log;
  #kb = 0;
  #reclaimableKb = 0;
  #askedAt = Number.NEGATIVE_INFINITY;
  #isAsking = false;
  #isClosed = false;

  constructor(daemon: Daemon, id: string, log: Log) {
    this.#daemon = daemon;
    this.#id = id;
    this.#log = log;
    this.#refresh();
  }

  kb(): number {
    this.#refresh();
    return this.#kb;
  }

  reclaimableKb(): number {
    this.#refresh();
    return this.#reclaimableKb;
  }

  close(): void {
    this.#isClosed = true;
    [this.#kb, this.#reclaimableKb] = [0, 0];
  }

  #refresh(): void {
    if (this.#isClosed || this.#isAsking || performance.now() - this.#askedAt < ASK_EVERY_MS) return;
    this.#isAsking = true;
    this.#ask()
      .catch((error: unknown) => {
        // One that ends meanwhile can't be asked for, and is closed in a moment.
        if (!this.#isClosed)
          this.#log.debug({ err: error, container: this.#id }, 'no figures of a container');
      })
      .finally(() => {
        this.#isAsking = false;
        this.#askedAt = performance.now();
      });
  }

  async #ask(): Promise<void> {
    const container = this.#daemon.docker.getContainer(this.#id);
    const stats: Stats = await asked(this.#daemon, 'asking for the memory of a container', () =>
      container.stats({ stream: false, 'one-shot': true }),
    );
    if (this.#isClosed) return;
    const { usage = 0, stats: parts } = stats.memory_stats ?? {};
    this.#kb = Math.ceil(usage / BYTES_PER_KB);
    this.#reclaimableKb = Math.floor(
      (parts?.total_inactive_file ?? parts?.inactive_file ?? 0) / BYTES_PER_KB,
    );
  }
}
