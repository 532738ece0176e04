import { realpath, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { OlError } from '../errors.ts';

/**
 * Every path of the cluster directory. No other file knows how it is laid out.
 *
 *   <cluster>/config/template.json     settings of every new worker
 *            /config/worker-<N>.json   one worker's settings: the template and what is its own
 *            /config/registry.json     port and keys of the registry, where one runs here
 *            /logs/worker-<N>.out      its log
 *            /logs/worker-<N>.pid      its process id, a number alone
 *            /logs/registry.out, /logs/registry.pid   the same of the registry
 *            /base  /packages  /registry
 *            /registry/.s3             what the registry keeps, where one runs here
 *            /workers/worker-<N>/handlers/<function>/<instance>   scratch space
 *            /workers/worker-<N>/spares/<id>   scratch space of sandboxes that have no function yet
 *            /workers/worker-<N>/import-cache/<id>   of each zygote with packages: what it imports, what that prints
 *            /workers/worker-<N>/rehearsal     code of the engine's own, which does nothing
 *            /workers/worker-<N>/code/<function>                  copies of function code
 *            /workers/worker-<N>/pulled.json   which of them came from a remote registry, for the next start
 */
export interface ClusterPaths {
  readonly root: string;
  readonly config: string;
  readonly template: string;
  readonly logs: string;
  readonly base: string;
  readonly packages: string;
  readonly registry: string;
  readonly workers: string;
  readonly registryConfig: string;
  readonly registryLog: string;
  readonly registryPid: string;
  readonly registryData: string;
}

export interface WorkerPaths {
  /** `worker-0` */
  readonly name: string;
  readonly config: string;
  readonly log: string;
  readonly pid: string;
  readonly dir: string;
  readonly handlers: string;
  readonly spares: string;
  readonly importCache: string;
  readonly code: string;
  readonly pulled: string;
}

/** The directories that a new cluster has. */
export const CLUSTER_DIRS = ['config', 'logs', 'base', 'packages', 'registry', 'workers'] as const;

/** The paths of the cluster at `cluster`; looks at nothing on the disk. */
export function clusterPaths(cluster: string): ClusterPaths {
  const root = resolve(cluster);
  return {
    root,
    config: join(root, 'config'),
    template: join(root, 'config', 'template.json'),
    logs: join(root, 'logs'),
    base: join(root, 'base'),
    packages: join(root, 'packages'),
    registry: join(root, 'registry'),
    workers: join(root, 'workers'),
    registryConfig: join(root, 'config', 'registry.json'),
    registryLog: join(root, 'logs', 'registry.out'),
    registryPid: join(root, 'logs', 'registry.pid'),
    registryData: join(root, 'registry', '.s3'),
  };
}

/** The paths of worker `index` of a cluster. */
export function workerPaths(cluster: ClusterPaths, index: number): WorkerPaths {
  const name = `worker-${index}`;
  const dir = join(cluster.workers, name);
  return {
    name,
    config: join(cluster.config, `${name}.json`),
    log: join(cluster.logs, `${name}.out`),
    pid: join(cluster.logs, `${name}.pid`),
    dir,
    handlers: join(dir, 'handlers'),
    spares: join(dir, 'spares'),
    importCache: join(dir, 'import-cache'),
    code: join(dir, 'code'),
    pulled: join(dir, 'pulled.json'),
  };
}

/** The number in `worker-3`, `worker-3.pid` or `…/workers/worker-3`; null where it is no such name. */
export function workerIndex(path: string): number | null {
  const match = /^worker-(\d{1,9})(?:\.\w+)?$/.exec(basename(path));
  return match === null ? null : Number(match[1]);
}

/** The paths of an existing cluster, links resolved. Throws ERR_CLUSTER_MISSING. */
export async function openCluster(cluster: string): Promise<ClusterPaths> {
  const paths = clusterPaths(await realpathOf(cluster));
  if (!(await exists(paths.template))) throw new OlError('ERR_CLUSTER_MISSING', { path: cluster });
  return paths;
}

/** `path` made absolute with links resolved, as far as it exists: what is not there yet keeps its name. */
export async function realpathOf(path: string): Promise<string> {
  const absolute = resolve(path);
  try {
    return await realpath(absolute);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return join(await realpathOf(dirname(absolute)), basename(absolute));
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return false;
    throw error;
  }
}
