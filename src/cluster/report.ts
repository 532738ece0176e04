import { readdir } from 'node:fs/promises';
import type { SandboxReport } from '../telemetry/sandbox-report.ts';
import { type ClaimRecord, isClaimOf, listClaims } from './claims.ts';
import { type ClusterPaths, clusterPaths, openCluster, workerIndex, workerPaths } from './paths.ts';
import { type RegistryReport, registryReport } from './registry-report.ts';
import { workerUrl } from './url.ts';

/** What a worker answered to a ping, or why there is no answer. */
export type Ping =
  | { readonly status: number; readonly statusText: string; readonly text: string }
  | { readonly error: string };

export interface WorkerReport {
  readonly name: string;
  /** Null for a worker that has ended without being told to. */
  readonly pid: number | null;
  readonly url: string;
  readonly log: string;
  readonly ping: Ping;
  readonly sandboxes: readonly SandboxReport[];
}

export interface ClusterReport {
  readonly cluster: string;
  /** Null where none was started here. */
  readonly registry: RegistryReport | null;
  readonly workers: readonly WorkerReport[];
}

/** How to ask a worker; `connectWorker` of the client room is one. Both fail with an error that names the cause. */
export interface WorkerProbe {
  status(): Promise<{ status: number; statusText: string; text: string }>;
  sandboxes(): Promise<readonly SandboxReport[]>;
  close(): void;
}
export type Connect = (url: string) => WorkerProbe;

/** The state of one cluster's workers, in their order; none where none runs. Throws ERR_CLUSTER_MISSING. */
export async function clusterReport(cluster: string, connect: Connect): Promise<ClusterReport> {
  return await reportOn(await openCluster(cluster), connect);
}

/** The state of every cluster that has a live worker on this machine. */
export async function allReports(connect: Connect): Promise<ClusterReport[]> {
  const { live } = await listClaims();
  const clusters = [...new Set(live.map((claim) => claim.cluster))].sort();
  return await Promise.all(clusters.map((cluster) => reportOn(clusterPaths(cluster), connect)));
}

/** Did every worker answer that it is ready, and the registry, and is there one of them at all? */
export function isHealthy(report: ClusterReport): boolean {
  const { workers, registry } = report;
  if (registry !== null && registry.error !== null) return false;
  if (workers.length === 0) return registry !== null;
  return workers.every(({ ping }) => 'status' in ping && ping.status === 200);
}

async function reportOn(paths: ClusterPaths, connect: Connect): Promise<ClusterReport> {
  const { live, stale } = await listClaims();
  const ours = live.filter((claim) => claim.cluster === paths.root);
  const running = ours.map((claim) => reportLive(claim, paths, connect));
  const dead = await deadWorkers(paths, ours, stale);
  const workers = [...(await Promise.all(running)), ...dead];
  return { cluster: paths.root, registry: await registryReport(paths), workers: workers.sort(byName) };
}

async function reportLive(claim: ClaimRecord, paths: ClusterPaths, connect: Connect): Promise<WorkerReport> {
  const index = workerIndex(claim.workerDir);
  const url = workerUrl(claim.host, claim.port);
  const name = index === null ? claim.workerDir : `worker-${index}`;
  const log = index === null ? 'its terminal' : workerPaths(paths, index).log;
  return { name, pid: claim.pid, url, log, ...(await ask(connect(url))) };
}

async function ask(probe: WorkerProbe): Promise<Pick<WorkerReport, 'ping' | 'sandboxes'>> {
  try {
    const ping = await probe.status();
    return { ping, sandboxes: ping.status === 200 ? await probe.sandboxes() : [] };
  } catch (error) {
    return { ping: { error: causeOf(error) }, sandboxes: [] };
  } finally {
    probe.close();
  }
}

/** `ECONNREFUSED` where there is such a name, for the message to be short. */
function causeOf(error: unknown): string {
  const { fields, code } = Object(error);
  return String(fields?.reason ?? code ?? (error instanceof Error ? error.message : error));
}

/** `kill` removes pid files; one without a live worker is that of a worker which ended in another way. */
async function deadWorkers(
  paths: ClusterPaths,
  live: readonly ClaimRecord[],
  stale: readonly ClaimRecord[],
): Promise<WorkerReport[]> {
  const names = await readdir(paths.logs).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  const indexes = names.filter((name) => name.endsWith('.pid')).map(workerIndex);
  return indexes
    .filter((index) => index !== null)
    .map((index) => workerPaths(paths, index))
    .filter((worker) => !live.some((claim) => isClaimOf(claim, paths, worker)))
    .map((worker) => {
      const claim = stale.find((found) => isClaimOf(found, paths, worker));
      const url = claim === undefined ? worker.name : workerUrl(claim.host, claim.port);
      return {
        name: worker.name,
        pid: null,
        url,
        log: worker.log,
        ping: { error: 'it has ended' },
        sandboxes: [],
      };
    });
}

function byName(a: WorkerReport, b: WorkerReport): number {
  return a.name.localeCompare(b.name, 'en', { numeric: true });
}
