import { join } from 'node:path';
import { pino } from 'pino';
import { afterAll, beforeAll } from 'vitest';
import { WorkerClient, type WorkerResponse } from '../../src/client/worker-client.ts';
import { workerPaths } from '../../src/cluster/paths.ts';
import { checkConfig } from '../../src/config/check.ts';
import { type Config, resolveConfig } from '../../src/config/load.ts';
import type { ConfigFile } from '../../src/config/schema.ts';
import type { SandboxReport } from '../../src/telemetry/sandbox-report.ts';
import { type RunningWorker, startWorker } from '../../src/worker/compose.ts';
import { TestCluster } from './cluster.ts';

/** One line of a worker's log. */
export type LogLine = Readonly<Record<string, unknown>>;

/** A worker in this process, on a free port, with a cluster of its own or one that is given. */
export class TestWorker implements AsyncDisposable {
  readonly cluster: TestCluster;
  readonly config: Config;
  readonly running: RunningWorker;
  readonly client: WorkerClient;
  readonly log: readonly LogLine[];
  readonly #disposables: AsyncDisposableStack;

  static async start(settings: ConfigFile = {}, shared?: TestCluster): Promise<TestWorker> {
    await using held = new AsyncDisposableStack();
    const cluster = shared ?? held.use(await TestCluster.create());
    const config = resolveConfig(
      checkConfig({ worker_port: 0, log_level: 'debug', ...cluster.settings, ...settings }, 'the test'),
      join(cluster.paths.config, 'worker-0.json'),
    );
    const log: LogLine[] = [];
    const lines = { write: (line: string) => log.push(JSON.parse(line)) };
    const running = await startWorker(config, pino({ level: config.logLevel }, lines));
    held.defer(() => running.close());
    const client = held.adopt(new WorkerClient(`http://127.0.0.1:${running.port}`), (it) => it.close());
    return new TestWorker({ cluster, config, running, client, log, disposables: held.move() });
  }

  private constructor(parts: {
    cluster: TestCluster;
    config: Config;
    running: RunningWorker;
    client: WorkerClient;
    log: readonly LogLine[];
    disposables: AsyncDisposableStack;
  }) {
    this.cluster = parts.cluster;
    this.config = parts.config;
    this.running = parts.running;
    this.client = parts.client;
    this.log = parts.log;
    this.#disposables = parts.disposables;
  }

  /** Calls a function with a JSON value; without one the body is empty. */
  call(name: string, payload?: unknown): Promise<WorkerResponse> {
    return this.client.invoke(name, payload);
  }

  /** What a function returned; fails with what it answered otherwise. */
  async result<T = unknown>(name: string, payload?: unknown): Promise<T> {
    const { status, body } = await this.call(name, payload);
    if (status !== 200) throw new Error(`${name} answered ${status}: ${body}`);
    return JSON.parse(body) as T;
  }

  /** Calls a function with these very bytes. */
  post(name: string, body: string | Buffer, headers: Record<string, string> = {}): Promise<WorkerResponse> {
    return this.client.request(`/runLambda/${name}`, { method: 'POST', body, headers, timeoutMs: 60_000 });
  }

  /** The only sandbox of a function; fails where there are none or more. */
  async sandbox(name: string): Promise<SandboxReport> {
    const all = (await this.client.sandboxes()).filter((sandbox) => sandbox.function === name);
    const [only] = all;
    if (only === undefined || all.length > 1) throw new Error(`${all.length} sandboxes of ${name}`);
    return only;
  }

  /** The scratch directory of a sandbox on the host; `id` is `<function>/<instance>`. */
  scratch(id: string): string {
    return join(workerPaths(this.cluster.paths, 0).handlers, id);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#disposables.disposeAsync();
  }
}

/** One worker for all tests of a file, with functions of `test/fixtures/functions`. Read `.current` in the tests. */
export function useWorker(
  fixtures: readonly string[] = [],
  settings: ConfigFile = {},
): { current: TestWorker } {
  let worker: TestWorker | null = null;
  beforeAll(async () => {
    worker = await TestWorker.start(settings);
    for (const name of fixtures) await worker.cluster.addFixture(name);
  });
  afterAll(async () => {
    await worker?.[Symbol.asyncDispose]();
  });
  return {
    get current(): TestWorker {
      if (worker === null) throw new Error('the worker did not start');
      return worker;
    },
  };
}
