import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ClusterPaths, WorkerPaths } from './paths.ts';

const CLI = fileURLToPath(new URL('../cli/main.ts', import.meta.url));

const REGISTRY_ARGS = [CLI, 'registry', '--foreground'];

/** A process that a cluster has in the background. */
export interface Service {
  /** For messages: `worker-0`, `registry`. */
  readonly name: string;
  /** Its pid file. */
  readonly pid: string;
  readonly log: string;
  /** Of Node. */
  readonly args: readonly string[];
  /** Is a process with these arguments, and this working directory, the service? */
  isRunBy(args: readonly string[], cwd: string): boolean;
}

export function workerService(worker: WorkerPaths): Service {
  const { name, pid, log } = worker;
  const own = workerArgs(worker.config);
  return { name, pid, log, args: own, isRunBy: (args) => own.every((arg) => args.includes(arg)) };
}

export function registryService({ root, registryPid, registryLog }: ClusterPaths): Service {
  return {
    name: 'registry',
    pid: registryPid,
    log: registryLog,
    args: [...REGISTRY_ARGS, `--cluster=${root}`],
    // A supervisor may have named the cluster in another way, or not at all.
    isRunBy: (args, cwd) => registryClusterOf(args, cwd) === root,
  };
}

/** The cluster whose registry is a process with these arguments, and this working directory; null for no registry. */
export function registryClusterOf(args: readonly string[], cwd: string): string | null {
  return REGISTRY_ARGS.every((arg) => args.includes(arg)) ? clusterIn(args, cwd) : null;
}

/** The cluster that a command line names, links not resolved; without one it is the working directory. */
function clusterIn(args: readonly string[], cwd: string): string {
  const at = args.findIndex((arg) => /^--?cluster(=|$)/.test(arg));
  const [, inside] = /^--?cluster=(.*)$/s.exec(args[at] ?? '') ?? [];
  return resolve(cwd, inside ?? (at < 0 ? '.' : (args[at + 1] ?? '.')));
}

/** The arguments of a worker's process; `admin kill` knows a worker by them that has no claim yet. */
export function workerArgs(config: string): string[] {
  return [CLI, 'worker-exec', `--config=${config}`];
}
