import { mkdir, rm } from 'node:fs/promises';
import { OlError } from '../errors.ts';
import { isClaimOf, listClaims, SLOTS, workerOf, workerRunning } from './claims.ts';
import { type ConfigText, readTemplate, writeWorkerConfig } from './config-file.ts';
import { type ClusterPaths, openCluster, type WorkerPaths, workerIndex, workerPaths } from './paths.ts';
import { readPidFile } from './pid-file.ts';
import { checkPortFree, portTaken } from './port.ts';
import { waitGone } from './process.ts';
import { workerService } from './service.ts';
import { type Spawned, spawnService } from './spawn.ts';
import { workerUrl } from './url.ts';

/** How long a process that SIGKILL was sent to may take to end, most of the time. */
const ENDING_MS = 300;
/** Then a worker that does not serve yet is ended: far above what many take that start at once on a slow machine. */
const READY_MS = 300_000;

export interface StartedWorker {
  /** `worker-0` */
  readonly name: string;
  readonly pid: number;
  readonly port: number;
  /** `http://localhost:8080` */
  readonly url: string;
  /** Path of its log. */
  readonly log: string;
}

/** What `startWorkers` tells while it works. */
export type StartStep =
  | {
      readonly kind: 'stale-pid';
      readonly worker: string;
      readonly pid: number;
      readonly program: string | null;
    }
  | { readonly kind: 'starting'; readonly worker: string; readonly pid: number }
  | { readonly kind: 'started'; readonly worker: StartedWorker };

export interface StartOptions {
  /** Default: 1. */
  readonly count?: number;
  /** Port of the first worker, the next ones follow; 0 takes free ones. Default: the template's worker_port. */
  readonly port?: number;
  readonly onStep?: (step: StartStep) => void;
}

/**
 * Starts workers in the background and returns when every one serves. Nothing is started where one of them runs already or
 * its port is taken (ERR_WORKER_RUNNING, ERR_PORT_HELD, ERR_PORT_TAKEN). Where some fail later, the others go on
 * running, `onStep` has told which, and this throws ERR_WORKER_FAILED (ERR_WORKERS_FAILED where several were asked for).
 */
export async function startWorkers(cluster: string, options: StartOptions = {}): Promise<StartedWorker[]> {
  if (process.geteuid?.() !== 0) throw new OlError('ERR_NOT_ROOT', {});
  const paths = await openCluster(cluster);
  const { withDirLock } = await import('../linux/dir-lock.ts');
  // Two at once would write each other's pid files.
  return await withDirLock(paths.logs, 5000, async () => {
    const template = await readTemplate(paths);
    const plans = planWorkers(paths, template, options);
    const host = template.checked.worker_host;
    await checkNoneRuns(paths, plans, options);
    for (const { port } of plans) await checkPortFree(port, host);
    return await startAll(paths, template, plans, options);
  });
}

/** A worker that is to be, and its port. */
export interface Plan {
  readonly worker: WorkerPaths;
  readonly port: number;
}

/** Worker 0 and so on, their ports one after the other; 0 for free ones. Throws ERR_NO_SLOT, ERR_PORT_RANGE. */
export function planWorkers(
  paths: ClusterPaths,
  template: ConfigText,
  options: Pick<StartOptions, 'count' | 'port'>,
): Plan[] {
  const { count = 1, port: first = template.checked.worker_port } = options;
  if (count > SLOTS) throw new OlError('ERR_NO_SLOT', { slots: SLOTS });
  if (first + count - 1 > 65_535) throw new OlError('ERR_PORT_RANGE', { count, port: first });
  return Array.from({ length: count }, (_, index) => ({
    worker: workerPaths(paths, index),
    port: first === 0 ? 0 : first + index,
  }));
}

async function checkNoneRuns(
  paths: ClusterPaths,
  plans: readonly Plan[],
  { onStep }: StartOptions,
): Promise<void> {
  const { live } = await listClaims();
  const running = live.find((claim) => plans.some(({ worker }) => isClaimOf(claim, paths, worker)));
  // One that was killed a moment ago takes a moment to be gone.
  if (running !== undefined && (await waitGone([workerOf(running)], ENDING_MS)).length > 0) {
    throw workerRunning(running);
  }
  for (const { worker } of plans) {
    const file = await readPidFile(workerService(worker));
    if (file.kind === 'stale')
      onStep?.({ kind: 'stale-pid', worker: worker.name, pid: file.pid, program: file.program });
    if (file.kind !== 'running') continue;
    // Started a moment ago and not far enough for a claim.
    const { pid } = file.process;
    const hint = 'it is starting or ending: wait, or end it with `admin kill`';
    const index = workerIndex(worker.dir) ?? worker.name;
    throw new OlError('ERR_WORKER_RUNNING', { worker: index, cluster: paths.root, pid, hint });
  }
}

async function startAll(
  paths: ClusterPaths,
  template: ConfigText,
  plans: readonly Plan[],
  options: StartOptions,
): Promise<StartedWorker[]> {
  const host = template.checked.worker_host;
  const starting = plans.map(async ({ worker, port }) => {
    await mkdir(worker.dir, { recursive: true });
    await writeWorkerConfig(template, paths, worker, port);
    const spawned = await spawnService(workerService(worker));
    options.onStep?.({ kind: 'starting', worker: worker.name, pid: spawned.pid });
    return await untilReady(worker, spawned, { port, host });
  });
  const results = await Promise.allSettled(starting);
  const started = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  for (const worker of started) options.onStep?.({ kind: 'started', worker });
  const failures = results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []));
  if (failures.length > 0) throw summary(failures, plans.length);
  return started;
}

async function untilReady(
  worker: WorkerPaths,
  spawned: Spawned,
  wanted: { port: number; host: string },
): Promise<StartedWorker> {
  const outcome = await spawned.outcome(READY_MS);
  if (outcome.ready) {
    const { port } = outcome;
    const url = workerUrl(wanted.host, port);
    return { name: worker.name, pid: spawned.pid, port, url, log: worker.log };
  }
  await rm(worker.pid, { force: true });
  // Somebody was quicker between our look at the port and the worker's bind.
  if (outcome.code === 'ERR_PORT_TAKEN') throw await portTaken(wanted.port, wanted.host);
  throw new OlError('ERR_WORKER_FAILED', {
    worker: workerIndex(worker.dir) ?? worker.name,
    reason: outcome.reason,
  });
}

function summary(failures: readonly unknown[], count: number): unknown {
  const [first] = failures;
  if (count === 1) return first;
  const lines = failures.map((error) => (error instanceof Error ? error.message : String(error)));
  if (failures.length < count) lines.push('the others run: end them with `admin kill` before the next try');
  const reasons = lines.map((line) => `\n  ${line}`).join('');
  return new OlError('ERR_WORKERS_FAILED', { failed: failures.length, count, reasons }, { cause: first });
}
