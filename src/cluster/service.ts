import { fileURLToPath } from 'node:url';
import type { ClusterPaths, WorkerPaths } from './paths.ts';

const CLI = fileURLToPath(new URL('../cli/main.ts', import.meta.url));

/** A process that a cluster has in the background. */
export interface Service {
  /** For messages: `worker-0`, `registry`. */
  readonly name: string;
  /** Its pid file. */
  readonly pid: string;
  readonly log: string;
  /** Of Node; a process that has them all is this service. */
  readonly args: readonly string[];
}

export function workerService(worker: WorkerPaths): Service {
  const { name, pid, log } = worker;
  return { name, pid, log, args: workerArgs(worker.config) };
}

export function registryService({ root, registryPid, registryLog }: ClusterPaths): Service {
  const args = [CLI, 'registry', '--foreground', `--cluster=${root}`];
  return { name: 'registry', pid: registryPid, log: registryLog, args };
}

/** The arguments of a worker's process; `admin kill` knows a worker by them that has no claim yet. */
export function workerArgs(config: string): string[] {
  return [CLI, 'worker-exec', `--config=${config}`];
}
