import { readdir, rm } from 'node:fs/promises';
import { loadConfig } from '../config/load.ts';
import { isOlError, OlError } from '../errors.ts';
import { emptyDirectory } from '../linux/remove-tree.ts';
import { kindOf } from './base.ts';
import {
  type ClaimRecord,
  type CleanUps,
  listClaims,
  removeStaleClaims,
  workerOf,
  zygoteOf,
} from './claims.ts';
import {
  type ClusterPaths,
  clusterPaths,
  openCluster,
  realpathOf,
  workerIndex,
  workerPaths,
} from './paths.ts';
import { readPidFile } from './pid-file.ts';
import { type ProcessId, signal, waitGone } from './process.ts';
import { registryService, workerService } from './service.ts';

/** A worker, or the registry, that `stopCluster` ended. */
export interface StoppedWorker {
  readonly name: string;
  readonly pid: number;
  /** `ended`: on the request to; `killed`: it had to be made to. */
  readonly how: 'ended' | 'killed';
}

/** What `stopCluster` tells while it works. */
export type StopStep =
  | { readonly kind: 'ending'; readonly worker: string; readonly pid: number; readonly graceMs: number }
  | { readonly kind: 'stopped'; readonly worker: StoppedWorker };

/** With what removes that which this room cannot see of a worker that was killed: `cleanUps` of the sandbox room. */
export interface StopOptions extends CleanUps {
  readonly onStep?: (step: StopStep) => void;
}

/** A worker that drains takes this much longer than its grace at most. */
const MARGIN_MS = 2000;
/** How long the kernel may take for what SIGKILL was sent to, a whole pid namespace for one. */
const KILL_MS = 10_000;
/** shutdown_grace_ms where the worker's config can't be read any more: its default. */
const DEFAULT_GRACE_MS = 10_000;

/**
 * Ends every worker and sandbox of a cluster, and its registry, waits until they are gone, and removes what dead ones left;
 * code that was pulled from a remote registry stays for the next start. A cluster without workers is no error, nor one whose directory was removed while it ran. Throws ERR_CLUSTER_MISSING, ERR_KILL_FAILED.
 */
export async function stopCluster(cluster: string, options: StopOptions): Promise<StoppedWorker[]> {
  const paths = await findCluster(cluster);
  const before = await claimsOf(paths.root);
  const workers = await runningWorkers(paths, before.live);
  const stopped = await Promise.all(workers.map((worker) => stopWorker(worker, options)));
  // After them: the requests that they still answer may need it.
  stopped.push(...(await stopRegistry(paths, options)));
  // Asked again: a worker may have got its zygote after the first look.
  const after = await claimsOf(paths.root);
  await endZygotes([...before.live, ...before.stale, ...after.stale]);
  await removeStaleClaims(paths.root, options);
  await removeLeftovers(paths);
  return stopped;
}

async function findCluster(cluster: string): Promise<ClusterPaths> {
  try {
    return await openCluster(cluster);
  } catch (error) {
    if (!isOlError(error, 'ERR_CLUSTER_MISSING')) throw error;
    const root = await realpathOf(cluster);
    const { live, stale } = await claimsOf(root);
    if (live.length + stale.length === 0) throw error;
    return clusterPaths(root);
  }
}

async function claimsOf(root: string): Promise<{ live: ClaimRecord[]; stale: ClaimRecord[] }> {
  const { live, stale } = await listClaims();
  const ours = (claim: ClaimRecord) => claim.cluster === root;
  return { live: live.filter(ours), stale: stale.filter(ours) };
}

interface Running {
  readonly name: string;
  readonly process: ProcessId;
  readonly graceMs: number;
}

/** Those with a claim, by hand ones too, and those that were spawned a moment ago and have none yet. */
async function runningWorkers(paths: ClusterPaths, live: readonly ClaimRecord[]): Promise<Running[]> {
  const running = live.map((claim) => ({
    name: nameOf(claim),
    process: workerOf(claim),
    graceMs: graceOf(paths, workerIndex(claim.workerDir)),
  }));
  for (const index of await workerIndexes(paths.logs)) {
    const file = await readPidFile(workerService(workerPaths(paths, index)));
    if (file.kind !== 'running' || running.some(({ process }) => process.pid === file.process.pid)) continue;
    running.push({ name: `worker-${index}`, process: file.process, graceMs: graceOf(paths, index) });
  }
  return running;
}

function nameOf(claim: ClaimRecord): string {
  const index = workerIndex(claim.workerDir);
  return index === null ? claim.workerDir : `worker-${index}`;
}

/** A config that was broken or removed since the start must not keep a worker from being ended. */
function graceOf(paths: ClusterPaths, index: number | null): number {
  try {
    return loadConfig(index === null ? paths.template : workerPaths(paths, index).config).shutdownGraceMs;
  } catch (error) {
    if (isOlError(error, 'ERR_CONFIG_INVALID')) return DEFAULT_GRACE_MS;
    throw error;
  }
}

async function stopRegistry(paths: ClusterPaths, options: StopOptions): Promise<StoppedWorker[]> {
  const service = registryService(paths);
  const file = await readPidFile(service);
  const stopped: StoppedWorker[] = [];
  if (file.kind === 'running') {
    const { process } = file;
    stopped.push(await stopWorker({ name: service.name, process, graceMs: DEFAULT_GRACE_MS }, options));
  }
  await rm(service.pid, { force: true });
  return stopped;
}

async function stopWorker(
  { name, process, graceMs }: Running,
  { onStep }: StopOptions,
): Promise<StoppedWorker> {
  const { pid } = process;
  onStep?.({ kind: 'ending', worker: name, pid, graceMs });
  signal(process, 'SIGTERM');
  let how: StoppedWorker['how'] = 'ended';
  if ((await waitGone([process], graceMs + MARGIN_MS)).length > 0) {
    how = 'killed';
    await kill(process, name);
  }
  const worker = { name, pid, how };
  onStep?.({ kind: 'stopped', worker });
  return worker;
}

/**
 * PID 1 is the first process of the sandboxes' pid namespace: once it is gone, so are they all. It ends by itself when
 * its worker does; SIGKILL is for one that does not.
 */
async function endZygotes(claims: readonly ClaimRecord[]): Promise<void> {
  const zygotes = claims.map(zygoteOf).filter((zygote) => zygote !== null);
  for (const zygote of await waitGone(zygotes, MARGIN_MS)) await kill(zygote, 'PID 1 of the sandboxes');
}

async function kill(process: ProcessId, what: string): Promise<void> {
  signal(process, 'SIGKILL');
  if ((await waitGone([process], KILL_MS)).length === 0) return;
  const hint = `see its state in /proc/${process.pid}/status`;
  throw new OlError('ERR_KILL_FAILED', { pid: process.pid, what, waitedMs: KILL_MS, hint });
}

async function removeLeftovers(paths: ClusterPaths): Promise<void> {
  for (const index of await workerIndexes(paths.logs))
    await rm(workerPaths(paths, index).pid, { force: true });
  for (const index of await workerIndexes(paths.workers)) {
    const worker = workerPaths(paths, index);
    await emptyDir(worker.handlers);
    await emptyDir(worker.spares);
    // Of a remote registry, which may be away at the next start: it knows of these which are whole, and tidies up.
    if ((await kindOf(worker.pulled)) === null) await emptyDir(worker.code);
  }
}

/** Removes what is in a directory. Neither the directory nor anything in it is followed where it is a link. */
async function emptyDir(dir: string): Promise<void> {
  if ((await kindOf(dir)) !== 'directory') return;
  await emptyDirectory(dir);
}

/** The numbers of the workers that have an entry in `logs` or `workers`. */
async function workerIndexes(dir: string): Promise<number[]> {
  if ((await kindOf(dir)) !== 'directory') return [];
  const indexes = (await readdir(dir)).map(workerIndex).filter((index) => index !== null);
  return [...new Set(indexes)];
}
