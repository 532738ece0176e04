import { setTimeout as sleep } from 'node:timers/promises';
import { randomFrom } from '../../src/zygote/simulation/random.ts';
import { type BackgroundWorker, BackgroundWorkers, zygoteOf } from '../helpers/background.ts';
import { TestCluster } from '../helpers/cluster.ts';
import { TestIndex } from '../helpers/package-index.ts';
import { until } from '../helpers/poll.ts';
import { edited, FUNCTIONS } from './functions.ts';
import { Load, Tally } from './load.ts';
import { type Sample, takeSample } from './sample.ts';

const CLIENTS = 8;
const SURPLUS_KEEP_MS = 500;
const SPARES_KEPT_MS = 10_000;
const KILL_EVERY_MS = 20_000;
const EDIT_EVERY_MS = 700;

/** Functions that keep a sandbox when nobody calls them. */
const LASTING = ['echo', 'sleeps', 'packaged', 'both', 'prints', 'writes', 'raises'];

const SETTINGS = {
  invocation_timeout_ms: 2000,
  mem_limit_mb: 64,
  procs_max: 32,
  scratch_max_files: 300,
  max_runners: 4,
  surplus_keep_ms: SURPLUS_KEEP_MS,
  spare_sandboxes: 4,
  cg_pool_size: 4,
  log_level: 'error',
} as const;

/** A worker under mixed load, where functions die, and are killed, as a seed says. */
export class Soak implements AsyncDisposable {
  readonly tally = new Tally();
  readonly #cluster: TestCluster;
  readonly #index: TestIndex;
  readonly #worker: BackgroundWorker;
  readonly #workers: BackgroundWorkers;
  readonly #random: () => number;
  #version = 0;

  static async open(seed: number): Promise<Soak> {
    const index = await TestIndex.start();
    index.add({ name: 'alpha', version: '1.0', files: { 'alpha.py': 'VALUE = 1\n' } });
    index.add({ name: 'beta', version: '1.0', files: { 'beta.py': 'VALUE = 2\n' } });
    const cluster = await TestCluster.create();
    await cluster.configure({ ...SETTINGS, pip_mirror: index.url });
    for (const [name, { code, packages }] of Object.entries(FUNCTIONS)) {
      const files = packages === undefined ? {} : { 'packages.txt': packages };
      await cluster.writeFunction(name, { 'lambda_func.py': code, ...files });
    }
    const workers = await BackgroundWorkers.start(cluster);
    for (const name of ['packaged', 'both']) await workers.first.client.invoke(name, 0);
    return new Soak({ cluster, index, workers, seed });
  }

  private constructor(parts: {
    readonly cluster: TestCluster;
    readonly index: TestIndex;
    readonly workers: BackgroundWorkers;
    readonly seed: number;
  }) {
    this.#cluster = parts.cluster;
    this.#index = parts.index;
    this.#workers = parts.workers;
    this.#worker = parts.workers.first;
    this.#random = randomFrom(parts.seed);
  }

  /** Load for so long. */
  async run(ms: number): Promise<void> {
    const end = performance.now() + ms;
    const seeds = Array.from({ length: CLIENTS }, () => Math.floor(this.#random() * 2 ** 31));
    const loads = seeds.map((seed) => new Load(this.#worker.client.url, randomFrom(seed), this.tally));
    try {
      await Promise.all([this.#keepKilling(end), this.#keepEditing(end), sleep(ms)]);
    } finally {
      await Promise.all(loads.map((load) => load.stop()));
    }
  }

  /** What there is when all that is kept for a while is gone. Rejects where work is left. */
  async sample(): Promise<Sample> {
    const { client } = this.#worker;
    // The same functions are idle then, also where the root zygote has just been killed, and all sandboxes with it.
    for (const name of LASTING) await client.invoke(name, 0);
    // One that had answered would be idle with all that it has forked; with this event it ends.
    await client.invoke('fork-bomb', 1);
    await until('end of the work in flight', async () => {
      const { body } = await client.request('/metrics');
      const of = (name: string) => Number(new RegExp(`^openlambda_${name} (\\d+)$`, 'm').exec(body)?.[1]);
      const levels = [of('queue_length'), of('sandboxes{state="busy"}'), of('sandboxes{state="starting"}')];
      return levels.every((level) => level === 0);
    });
    await sleep(SPARES_KEPT_MS + 2 * SURPLUS_KEEP_MS);
    return takeSample(this.#worker.started.pid, await zygoteOf(this.#cluster), this.#cluster.paths);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#workers[Symbol.asyncDispose]();
    await this.#cluster[Symbol.asyncDispose]();
    await this.#index[Symbol.asyncDispose]();
  }

  /** The root zygote, or a sandbox, by turns as the seed says; one in four is stopped, and not killed. */
  async #keepKilling(end: number): Promise<void> {
    while (performance.now() + KILL_EVERY_MS < end) {
      await sleep(KILL_EVERY_MS * (0.5 + this.#random()));
      const [which, how] = [this.#random(), this.#random()];
      const sandboxes = (await this.#worker.client.sandboxes()).filter(({ pid }) => pid !== null);
      const sandbox = sandboxes[Math.floor(which * sandboxes.length)]?.pid ?? null;
      const pid = which < 0.2 || sandbox === null ? await zygoteOf(this.#cluster) : sandbox;
      const signal = how < 0.25 ? 'SIGSTOP' : 'SIGKILL';
      this.tally.killing(signal);
      kill(pid, signal);
    }
  }

  /** Whoever calls after an edit gets what was edited. */
  async #keepEditing(end: number): Promise<void> {
    while (performance.now() < end) {
      const version = ++this.#version;
      await this.#cluster.writeFunction('edited', edited(version));
      const { status, body } = await this.#worker.client.invoke('edited', 0);
      if (status === 200 && Number(body) < version) this.tally.wrong.push(`edited: ${body}, not ${version}`);
      await sleep(EDIT_EVERY_MS);
    }
  }
}

/** It may have ended by itself. */
function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
