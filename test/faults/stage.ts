import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { WorkerClient, type WorkerResponse } from '../../src/client/worker-client.ts';
import type { ConfigFile } from '../../src/config/schema.ts';
import { type BackgroundWorker, BackgroundWorkers } from '../helpers/background.ts';
import { TestCluster } from '../helpers/cluster.ts';
import { TestIndex } from '../helpers/package-index.ts';
import { SLOWNESS, until } from '../helpers/poll.ts';
import { isStillThere } from '../helpers/processes.ts';
import { holdingsOf } from '../hostile/holdings.ts';
import { SmallDisk } from './small-disk.ts';

/** From the end of a fault, or from the moment that nothing but the worker itself can mend it. */
export const BACK_MS = 5000 * SLOWNESS;

const LOG_LINES = 15;

/** Settings in which a fault shows soon. */
const SETTINGS: ConfigFile = {
  invocation_timeout_ms: 15_000,
  spare_sandboxes: 2,
  // Without zygotes and surplus, what a worker holds is the same before and after.
  import_cache_size: 0,
  surplus_keep_ms: 500,
  install_retry_ms: 0,
};

/** Functions whose code is here before the fault, one of them with a package, and what they answer. */
const HERE: Readonly<Record<string, string>> = { here: '"here"', packaged: '"kept"' };

interface Holdings {
  readonly processes: number;
  readonly descriptors: number;
  /** Of processes. Those of the network come and go with them, and a few are kept. */
  readonly namespaces: number;
  readonly cgroups: number;
  /** What is half done, or belongs to a sandbox that is gone. */
  readonly leftFiles: number;
}

/** Takes so long to import that a zygote for it is always worth its memory. */
const KEPT = 'import time\ntime.sleep(0.02)\nVALUE = "kept"\n';

/** A cluster with a worker in the background, and an index that its packages come from. */
export class FaultStage implements AsyncDisposable {
  readonly cluster: TestCluster;
  readonly index: TestIndex;
  #workers: BackgroundWorkers | null = null;
  /** Killed ones, whose clients are still to be closed. */
  readonly #gone: BackgroundWorkers[] = [];
  readonly #disks: SmallDisk[] = [];

  static async open(settings: ConfigFile = {}): Promise<FaultStage> {
    await using held = new AsyncDisposableStack();
    const index = held.use(await TestIndex.start());
    index.add({ name: 'kept', version: '1.0', files: { 'kept.py': KEPT } });
    const cluster = held.use(await TestCluster.create());
    await cluster.configure({ ...SETTINGS, pip_mirror: index.url, ...settings });
    await cluster.writeFunction('here', 'def handler(event):\n    return "here"\n');
    await cluster.writeFunction('packaged', {
      'packages.txt': 'kept\n',
      'lambda_func.py': 'import kept\ndef handler(event):\n    return kept.VALUE\n',
    });
    held.move();
    return new FaultStage(cluster, index);
  }

  private constructor(cluster: TestCluster, index: TestIndex) {
    this.cluster = cluster;
    this.index = index;
  }

  get worker(): BackgroundWorker {
    if (this.#workers === null) throw new Error('no worker was started');
    return this.#workers.first;
  }

  get client(): WorkerClient {
    return this.worker.client;
  }

  /** Puts one of the cluster's directories, which must be empty, onto a disk of its own. */
  async putOnSmallDisk(dir: string, megabytes: number): Promise<SmallDisk> {
    const disk = await SmallDisk.mount(dir, megabytes);
    this.#disks.push(disk);
    return disk;
  }

  /** What a supervisor does, for the first time or after a death. */
  async start(): Promise<void> {
    if (this.#workers !== null) this.#gone.push(this.#workers);
    this.#workers = await BackgroundWorkers.start(this.cluster);
  }

  /** Starts it, and has the code and the packages of the functions there. */
  async startWarm(): Promise<void> {
    await this.start();
    // Takes as long as it takes.
    await this.client.request('/packages/packaged', { method: 'POST', timeoutMs: 60_000 });
    await this.expectServed();
  }

  /** Everything that is here is served: at the first try, while a fault lasts. */
  async expectServed(): Promise<void> {
    for (const [name, value] of Object.entries(HERE)) {
      const { status, body } = await this.call(name);
      if (status !== 200 || body !== value) throw new Error(`${name} was answered ${status} ${body}`);
    }
  }

  /** A call on a connection of its own, as a client makes it that has not been here before. */
  async call(name: string, event?: unknown): Promise<WorkerResponse> {
    const client = new WorkerClient(this.client.url);
    try {
      return await client.invoke(name, event);
    } finally {
      client.close();
    }
  }

  /** The pid of the sandbox of a function. */
  async sandboxOf(name: string): Promise<number> {
    const found = (await this.client.sandboxes()).find((one) => one.function === name);
    if (found?.pid == null) throw new Error(`there is no sandbox of ${name}`);
    return found.pid;
  }

  /**
   * The one judge of all faults. `fault` makes it and takes it away again; then, with no hand: the worker is back in service in
   * less than 5 s with all that is here, work in flight is counted down to 0, and it holds no more than before.
   */
  async survives(fault: () => Promise<void>): Promise<void> {
    const before = await this.#settled();
    try {
      await fault();
      await this.#backInService(performance.now());
      await this.#expectQuiet();
      await this.#expectNoMore(before);
    } catch (cause) {
      const { process } = this.worker;
      // As it is: the last words of a worker that crashed are no JSON.
      const end = readFileSync(this.worker.started.log, 'utf8').trimEnd().split('\n').slice(-LOG_LINES);
      const state = isStillThere(process) ? 'lives' : 'is gone';
      const message = `${(cause as Error).message}\nThe worker ${state}; the end of its log:\n${end.join('\n')}`;
      throw new Error(message, { cause });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const gone of this.#gone) for (const worker of gone.all) worker[Symbol.dispose]();
    await this.#workers?.[Symbol.asyncDispose]();
    for (const disk of this.#disks) disk[Symbol.dispose]();
    await this.cluster[Symbol.asyncDispose]();
    await this.index[Symbol.asyncDispose]();
  }

  async #backInService(since: number): Promise<void> {
    let last: unknown = null;
    while (performance.now() - since < BACK_MS) {
      try {
        return await this.expectServed();
      } catch (error) {
        last = error;
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new Error(`it is not back in service after ${BACK_MS} ms`, { cause: last });
  }

  async #expectQuiet(): Promise<void> {
    let levels = '';
    try {
      await until('end of the work in flight', async () => {
        const metrics = await this.metrics();
        const of = (name: string) => Number(metrics.get(name) ?? Number.NaN);
        const [queued, busy, starting] = [
          of('openlambda_queue_length'),
          of('openlambda_sandboxes{state="busy"}'),
          of('openlambda_sandboxes{state="starting"}'),
        ];
        levels = `${queued} queued, ${busy} busy, ${starting} starting`;
        return queued + busy + starting === 0;
      });
    } catch (cause) {
      throw new Error(`work is still in flight: ${levels}`, { cause });
    }
  }

  /** The figures of `GET /metrics`, by name and labels as they stand there. */
  async metrics(): Promise<ReadonlyMap<string, number>> {
    const { body } = await this.client.request('/metrics');
    const lines = body.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    return new Map(
      lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.split(' ').at(-1))]),
    );
  }

  /** What the worker holds when nothing happens any more. */
  async #settled(): Promise<Holdings> {
    await this.metrics(); // its connection is kept
    let last = '';
    for (let same = 0; same < 5; ) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      const now = JSON.stringify(this.#holdings());
      same = now === last ? same + 1 : 0;
      last = now;
    }
    return JSON.parse(last);
  }

  async #expectNoMore(before: Holdings): Promise<void> {
    let more = '';
    try {
      await until('end of what is left', () => {
        const now = this.#holdings();
        const keys = Object.keys(before) as (keyof Holdings)[];
        const grown = keys.filter((key) => now[key] > before[key]);
        more = grown.map((key) => `${now[key]} ${key}, not ${before[key]}`).join(', ');
        return grown.length === 0;
      });
    } catch (cause) {
      throw new Error(`after the fault there is more than before: ${more}`, { cause });
    }
  }

  #holdings(): Holdings {
    const { pid } = this.worker.started;
    const { processes, descriptors, cgroups } = holdingsOf(pid, this.cluster.paths);
    const namespaces = new Set(this.worker.tree().map((one) => one.pidNamespace)).size;
    const old = this.#gone.flatMap(({ all }) => all.map((worker) => worker.process));
    const left = old.filter(isStillThere).length;
    const { packages, workers } = this.cluster.paths;
    const leftFiles = countTemporary(packages) + countTemporary(workers);
    return { processes: processes + left, descriptors, namespaces, cgroups, leftFiles };
  }
}

/** What is half done has a name with a dot at its start; `.locks` is none of that. */
function countTemporary(dir: string): number {
  let count = 0;
  for (const entry of readdirSync(dir, { withFileTypes: true })) {
    if (/^\.(tmp|gone|file)-|\.tmp$/.test(entry.name)) count++;
    else if (entry.isDirectory()) count += ifThere(() => countTemporary(join(dir, entry.name)));
  }
  return count;
}

/** What goes while we look is not left. */
function ifThere(count: () => number): number {
  try {
    return count();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0;
    throw error;
  }
}

/** The code of the table in an answer, with its status. */
export function errorOf({ status, body }: WorkerResponse): string {
  return status === 200 ? '200' : `${status} ${JSON.parse(body).error.code}`;
}
