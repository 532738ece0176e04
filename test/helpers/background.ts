import { readFile } from 'node:fs/promises';
import { WorkerClient } from '../../src/client/worker-client.ts';
import { type ClaimRecord, listClaims } from '../../src/cluster/claims.ts';
import { type StartedWorker, startWorkers } from '../../src/cluster/launch.ts';
import { type StoppedWorker, stopCluster } from '../../src/cluster/stop.ts';
import { cleanUps } from '../../src/sandbox/clean-up.ts';
import type { TestCluster } from './cluster.ts';
import { until } from './poll.ts';
import { isStillThere, type ProcessInfo, readProcess, rootZygoteOf, treeOf } from './processes.ts';

/** A worker that runs as a process of its own in the background, as `admin workers` starts it. */
export class BackgroundWorker implements Disposable {
  readonly started: StartedWorker;
  readonly client: WorkerClient;
  readonly process: ProcessInfo;

  constructor(started: StartedWorker) {
    this.started = started;
    this.client = new WorkerClient(`http://127.0.0.1:${started.port}`);
    const process = readProcess(started.pid);
    if (process === null) throw new Error(`${started.name} is gone already`);
    this.process = process;
  }

  /** Everything below it and itself: launcher, root zygote, spares, sandboxes and what these have started. */
  tree(): ProcessInfo[] {
    return treeOf(this.started.pid);
  }

  kill(signal: NodeJS.Signals): void {
    process.kill(this.started.pid, signal);
  }

  /** The lines of its log. */
  async log(): Promise<Record<string, unknown>[]> {
    const text = await readFile(this.started.log, 'utf8');
    return text
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line));
  }

  [Symbol.dispose](): void {
    this.client.close();
  }
}

/** Workers of a cluster, on free ports; disposing of them ends all that the cluster runs. */
export class BackgroundWorkers implements AsyncDisposable {
  readonly all: readonly BackgroundWorker[];
  readonly #cluster: TestCluster;

  static async start(cluster: TestCluster, count = 1): Promise<BackgroundWorkers> {
    const started = await startWorkers(cluster.paths.root, { count, port: 0 });
    return new BackgroundWorkers(
      cluster,
      started.map((one) => new BackgroundWorker(one)),
    );
  }

  private constructor(cluster: TestCluster, all: readonly BackgroundWorker[]) {
    this.#cluster = cluster;
    this.all = all;
  }

  /** The first one. */
  get first(): BackgroundWorker {
    const [first] = this.all;
    if (first === undefined) throw new Error('there are no workers');
    return first;
  }

  /** As `admin kill` does. */
  async kill(): Promise<StoppedWorker[]> {
    return await stopCluster(this.#cluster.paths.root, cleanUps);
  }

  async stop(): Promise<StoppedWorker[]> {
    for (const worker of this.all) worker[Symbol.dispose]();
    return await this.kill();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

/** Waits until each of these very processes is gone. */
export async function untilGone(processes: readonly ProcessInfo[]): Promise<void> {
  await until(`end of ${processes.length} processes`, () => !processes.some(isStillThere));
}

/** The claims of a cluster's workers, living ones and those that were left. */
export async function claimsOf(cluster: TestCluster): Promise<{ live: ClaimRecord[]; stale: ClaimRecord[] }> {
  const { live, stale } = await listClaims();
  const isOurs = (claim: ClaimRecord) => claim.cluster === cluster.paths.root;
  return { live: live.filter(isOurs), stale: stale.filter(isOurs) };
}

/** PID 1 of the sandboxes of a cluster's only worker. */
export async function initOf(cluster: TestCluster): Promise<number> {
  const [claim] = (await claimsOf(cluster)).live;
  if (claim?.zygotePid == null) throw new Error('there is no PID 1 of sandboxes');
  return claim.zygotePid;
}

/** The pid of the root zygote of a cluster's only worker; null while there is none. */
export async function zygoteIfThere(cluster: TestCluster): Promise<number | null> {
  return rootZygoteOf(await initOf(cluster));
}

/** The same, where there must be one. */
export async function zygoteOf(cluster: TestCluster): Promise<number> {
  const pid = await zygoteIfThere(cluster);
  if (pid === null) throw new Error('there is no root zygote');
  return pid;
}
