import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { summarize } from '../../bench/measure/stats.ts';
import { WorkerClient, type WorkerResponse } from '../../src/client/worker-client.ts';
import type { ConfigFile } from '../../src/config/schema.ts';
import { BackgroundWorkers } from '../helpers/background.ts';
import { TestCluster } from '../helpers/cluster.ts';
import { isStillThere } from '../helpers/processes.ts';
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
  // So that what a worker holds is the same before and after a case.
  spare_sandboxes: 0,
};

/** Other things go on on this machine, too: beyond this a case has done gross harm. The figure itself is printed. */
const GROSSLY_SLOWER = 40;

/** A worker in the background with a victim under steady load, for all cases of a file. Read it in the tests only. */
export class Stage implements AsyncDisposable {
  readonly cluster: TestCluster;
  readonly client: WorkerClient;
  readonly canary: Canary;
  readonly #workers: BackgroundWorkers;
  #baseline = { p50: 0, p99: 0 };

  static async open(settings: ConfigFile = {}): Promise<Stage> {
    const cluster = await TestCluster.create();
    await cluster.configure({ ...BOUNDS, ...settings });
    await cluster.addFixture('echo', 'victim');
    const canary = new Canary(join(cluster.paths.root, '..'));
    process.env.OL_CANARY = canary.secret;
    try {
      const stage = new Stage(cluster, await BackgroundWorkers.start(cluster), canary);
      await stage.#measureBaseline();
      return stage;
    } finally {
      delete process.env.OL_CANARY;
    }
  }

  private constructor(cluster: TestCluster, workers: BackgroundWorkers, canary: Canary) {
    this.cluster = cluster;
    this.#workers = workers;
    this.canary = canary;
    this.client = workers.first.client;
  }

  get worker() {
    return this.#workers.first;
  }

  /** Puts a program of `programs/` into the registry, as the function `attacker` or another. */
  async addProgram(program: string, as = 'attacker'): Promise<void> {
    const text = readFileSync(join(PROGRAMS, `${program}.py`), 'utf8');
    await this.cluster.writeFunction(as, text);
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
    }
    await this.cluster.removeFunctionIfThere('attacker');
    await this.client.invoke('attacker');
    this.#judge(title, load);
    this.canary.check();
    await untilNoMore(before, () => this.#holdings());
    return result;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.canary.close();
    await this.#workers[Symbol.asyncDispose]();
    await this.cluster[Symbol.asyncDispose]();
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
    await this.client.invoke('victim', 0);
    // Its directories stay, empty, when it is gone: so that they are there before.
    await this.addProgram('endless_loop');
    await this.client.invoke('attacker');
    await this.cluster.removeFunctionIfThere('attacker');
    await this.client.invoke('attacker');
    const load = SteadyLoad.start(this.worker.started.port);
    await new Promise((resolve) => setTimeout(resolve, 2000));
    await load.stop();
    if (load.wrong.length > 0) throw new Error(`the victim got ${load.wrong[0]} before anything began`);
    this.#baseline = summarize(load.times);
  }

  /** What the worker holds when it has all its spares again. */
  async #settled(): Promise<Holdings> {
    let last = this.#holdings();
    for (let same = 0; same < 5; ) {
      await new Promise((resolve) => setTimeout(resolve, 50));
      const now = this.#holdings();
      same = JSON.stringify(now) === JSON.stringify(last) ? same + 1 : 0;
      last = now;
    }
    return last;
  }

  #holdings(): Holdings {
    return holdingsOf(this.worker.started.pid, this.cluster.paths);
  }
}

/** The stage of a file's tests. */
export function useStage(settings: ConfigFile = {}): { readonly current: Stage } {
  let stage: Stage | null = null;
  beforeAll(async () => {
    stage = await Stage.open(settings);
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

/** How an attack has to end: with this status and text, within the time. */
export interface Expected {
  readonly status: number;
  readonly text: RegExp;
}

/** The time limit of a call, and a second. */
export const IN_TIME_MS = 3000;

/** Calls the attacker; throws where the answer is not the expected one, or came late. */
export async function expectAnswer(
  stage: Stage,
  event: unknown,
  expected: Expected,
): Promise<WorkerResponse> {
  const start = performance.now();
  const client = new WorkerClient(stage.client.url);
  try {
    const answer = await client.invoke('attacker', event);
    const tookMs = performance.now() - start;
    const said = `${answer.status} ${answer.body.slice(0, 500)}`;
    if (answer.status !== expected.status || !expected.text.test(answer.body))
      throw new Error(`it was answered ${said}`);
    if (tookMs > IN_TIME_MS) throw new Error(`it was answered after ${tookMs} ms: ${said}`);
    stage.canary.checkText(answer.body);
    return answer;
  } finally {
    client.close();
  }
}
