import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { summarize } from '../../bench/measure/stats.ts';
import { WorkerClient, type WorkerResponse } from '../../src/client/worker-client.ts';
import type { ConfigFile } from '../../src/config/schema.ts';
import { type BackgroundWorker, BackgroundWorkers } from '../helpers/background.ts';
import { TestCluster } from '../helpers/cluster.ts';
import { isStillThere } from '../helpers/processes.ts';
import { TEST_ROOT } from '../helpers/test-root.ts';
import { Canary } from './canary.ts';
import { type Holdings, holdingsOf, untilNoMore } from './holdings.ts';
import { SteadyLoad } from './steady-load.ts';

const PROGRAMS = join(import.meta.dirname, 'programs');

/** Bounds that are met soon. */
const BOUNDS: ConfigFile = {
  invocation_timeout_ms: 2000,
  mem_limit_mb: 64,
  tmp_max_mb: 16,
  procs_max: 48,
  open_files_max: 128,
  file_max_mb: 8,
  scratch_max_mb: 32,
  scratch_max_files: 400,
  response_max_kb: 64,
  request_max_kb: 64,
  // So that what a worker holds is the same before and after a case: what it keeps ready is soon as much as it may be.
  spare_sandboxes: 0,
  cg_pool_size: 1,
  surplus_keep_ms: 200,
};

/** Other things go on on this machine, too: beyond this a case has done gross harm. The figure itself is printed. */
const GROSSLY_SLOWER = 40;
const BASELINE_MS = 700;
const WARM_UP = 'import time\ndef handler(event):\n    time.sleep(0.1)\n';
/** How often in a row the worker has to hold the same, and how long after one another. */
const [SETTLED, SETTLING_MS] = [3, 40];

/** Where the functions of a stage come from. */
export interface Supply {
  readonly settings: ConfigFile;
  write(name: string, code: string): Promise<void>;
  remove(name: string): Promise<void>;
}

/** A worker in the background with a victim under steady load, for all cases of a file. Read it in the tests only. */
export class Stage implements AsyncDisposable {
  readonly cluster: TestCluster;
  readonly canary: Canary;
  readonly worker: BackgroundWorker;
  readonly #supply: Supply;
  readonly #held: AsyncDisposableStack;
  #baseline = { p50: 0, p99: 0 };

  /** `supply` is the cluster's own registry where it is not given. */
  static async open(settings: ConfigFile = {}, supply: Supply | null = null): Promise<Stage> {
    await using held = new AsyncDisposableStack();
    const cluster = held.use(await TestCluster.create());
    await cluster.configure({ ...BOUNDS, ...settings, ...supply?.settings });
    const canary = held.adopt(new Canary(join(TEST_ROOT, 'canary')), (it) => it.close());
    const functions = supply ?? localSupply(cluster);
    await functions.write('victim', 'def handler(event):\n    return event\n');
    const workers = held.use(await startKnowing(canary.secret, cluster));
    const stage = new Stage(cluster, canary, workers.first, functions, held.move());
    try {
      await stage.#measureBaseline();
    } catch (error) {
      await stage[Symbol.asyncDispose]();
      throw error;
    }
    canary.watch();
    return stage;
  }

  private constructor(
    cluster: TestCluster,
    canary: Canary,
    worker: BackgroundWorker,
    supply: Supply,
    held: AsyncDisposableStack,
  ) {
    this.cluster = cluster;
    this.canary = canary;
    this.worker = worker;
    this.#supply = supply;
    this.#held = held;
  }

  get url(): string {
    return this.worker.client.url;
  }

  /** Calls a function over a connection of its own, so that none is kept. */
  async invoke(name: string, event?: unknown): Promise<WorkerResponse> {
    const client = new WorkerClient(this.url);
    try {
      return await client.invoke(name, event);
    } finally {
      client.close();
    }
  }

  /** Puts a program of `programs/` into the registry, as the function `attacker` or another, with what it imports. */
  async addProgram(program: string, as = 'attacker'): Promise<void> {
    const text = readFileSync(join(PROGRAMS, `${program}.py`), 'utf8');
    await this.#supply.write(as, text);
    if (!/^import tries$/m.test(text)) return;
    await this.cluster.writeFunction(as, { 'tries.py': readFileSync(join(PROGRAMS, 'tries.py'), 'utf8') });
  }

  /**
   * Does what a case does, beside the victim. Then: the worker is the same process, the victim had no error and is not
   * grossly slower, nobody has touched the canary, and once the attacker is gone the worker holds no more than before.
   */
  async beside<T>(title: string, attack: () => Promise<T>): Promise<T> {
    const before = await this.#settled();
    const load = SteadyLoad.start(this.worker.started.port);
    let result: T;
    try {
      result = await attack();
    } finally {
      await load.stop();
      await this.removeFunction('attacker');
    }
    this.#judge(title, load);
    await untilNoMore(before, () => this.#holdings());
    this.canary.check();
    return result;
  }

  /** Its sandboxes end when the worker is asked for it the next time. */
  async removeFunction(name: string): Promise<void> {
    await this.#supply.remove(name);
    await this.invoke(name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#held.disposeAsync();
  }

  #judge(title: string, load: SteadyLoad): void {
    const { p50, p99 } = summarize(load.times);
    const { p50: usual, p99: usualP99 } = this.#baseline;
    const times = `p99 ${p99.toFixed(1)} ms beside it, ${usualP99.toFixed(1)} ms alone`;
    console.info(
      `${title}: ${load.times.length} calls of the victim, ${times} (${(p99 / usualP99).toFixed(1)} x)`,
    );
    if (load.wrong.length > 0) throw new Error(`the victim got ${load.wrong[0]}`);
    if (p50 / usual > GROSSLY_SLOWER) throw new Error(`the victim was grossly slower: ${times}`);
    if (!isStillThere(this.worker.process)) throw new Error('the worker is another process, or gone');
  }

  async #measureBaseline(): Promise<void> {
    await this.invoke('victim', 0);
    // Some of what sandboxes had is kept for others: so that as much as ever will be kept is there before.
    await this.#supply.write('attacker', WARM_UP);
    await Promise.all([1, 2, 3, 4].map(() => this.invoke('attacker')));
    await this.removeFunction('attacker');
    const load = SteadyLoad.start(this.worker.started.port);
    await new Promise((resolve) => setTimeout(resolve, BASELINE_MS));
    await load.stop();
    if (load.wrong.length > 0) throw new Error(`the victim got ${load.wrong[0]} before anything began`);
    this.#baseline = summarize(load.times);
  }

  async #settled(): Promise<Holdings> {
    let last = this.#holdings();
    for (let same = 0; same < SETTLED; ) {
      await new Promise((resolve) => setTimeout(resolve, SETTLING_MS));
      const now = this.#holdings();
      same = JSON.stringify(now) === JSON.stringify(last) ? same + 1 : 0;
      last = now;
    }
    return last;
  }

  #holdings(): Holdings {
    return holdingsOf(this.worker.started.pid, this.cluster.paths, tmpOf(this.cluster));
  }
}

function localSupply(cluster: TestCluster): Supply {
  return {
    settings: {},
    write: (name, code) => cluster.writeFunction(name, code),
    remove: (name) => cluster.removeFunctionIfThere(name),
  };
}

const tmpOf = (cluster: TestCluster) => join(cluster.paths.root, '..', 'tmp');

/** A worker that knows the secret, and has a place of its own for temporary files. */
async function startKnowing(secret: string, cluster: TestCluster): Promise<BackgroundWorkers> {
  const { TMPDIR } = process.env;
  mkdirSync(tmpOf(cluster));
  Object.assign(process.env, { OL_CANARY: secret, TMPDIR: tmpOf(cluster) });
  try {
    return await BackgroundWorkers.start(cluster);
  } finally {
    delete process.env.OL_CANARY;
    if (TMPDIR === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = TMPDIR;
  }
}

/** The stage of a file's tests; `open` may make more than a stage takes by itself. */
export function useStage(open: () => Promise<Stage> = () => Stage.open()): { readonly current: Stage } {
  let stage: Stage | null = null;
  beforeAll(async () => {
    stage = await open();
  });
  afterAll(async () => {
    await stage?.[Symbol.asyncDispose]();
  });
  return {
    get current(): Stage {
      if (stage === null) throw new Error('the worker did not start');
      return stage;
    },
  };
}
