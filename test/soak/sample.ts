import { readdirSync, readFileSync } from 'node:fs';
import type { ClusterPaths } from '../../src/cluster/paths.ts';
import { holdingsOf } from '../hostile/holdings.ts';

/** What a worker and its root zygote hold while nothing is asked of them. */
export interface Sample {
  readonly workerMemoryKb: number;
  readonly zygoteMemoryKb: number;
  readonly workerDescriptors: number;
  readonly zygoteDescriptors: number;
  readonly processes: number;
  readonly zombies: number;
  readonly cgroups: number;
  readonly files: number;
}

/** So much more than after the warm-up there may be: spares and cgroups that are kept ready come and go, and so does V8's garbage. */
export const TOLERANCE: Readonly<Record<keyof Sample, (before: number) => number>> = {
  workerMemoryKb: (before) => before * 0.15 + 16 * 1024,
  zygoteMemoryKb: (before) => before * 0.1 + 1024,
  workerDescriptors: () => 40,
  zygoteDescriptors: () => 40,
  processes: () => 6,
  zombies: () => 0,
  cgroups: () => 8,
  // Those of a function that writes some at each call, up to its bound.
  files: () => 340,
};

export function takeSample(worker: number, zygote: number, cluster: ClusterPaths): Sample {
  const { processes, cgroups } = holdingsOf(worker, cluster);
  return {
    workerMemoryKb: memoryKb(worker),
    zygoteMemoryKb: memoryKb(zygote),
    workerDescriptors: readdirSync(`/proc/${worker}/fd`).length,
    zygoteDescriptors: readdirSync(`/proc/${zygote}/fd`).length,
    processes,
    zombies: zombiesOf(new Set([worker, zygote])),
    cgroups,
    files: filesBelow(cluster.workers),
  };
}

function filesBelow(dir: string): number {
  return readdirSync(dir, { recursive: true }).length;
}

function memoryKb(pid: number): number {
  return Number(/^VmRSS:\s*(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}

/** Dead children that these have not reaped. */
function zombiesOf(parents: ReadonlySet<number>): number {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.filter((pid) => {
    const [state, parent] = stateOf(pid);
    return state === 'Z' && parents.has(Number(parent));
  }).length;
}

function stateOf(pid: string): string[] {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ESRCH') return [];
    throw error;
  }
}
