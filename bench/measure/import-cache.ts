import { setTimeout as sleep } from 'node:timers/promises';
import type { WorkerClient } from '../../src/client/worker-client.ts';

export interface ImportedZygotes {
  readonly count: number;
  readonly memoryMb: number;
  /** Sandboxes of functions with packages, by the depth of the zygote that they were forked from: the root zygote first. */
  readonly forksByDepth: readonly number[];
}

const LOOK_EVERY_MS = 100;
/** Longer than the spare is kept that each zygote is tried out with: after 10 s those end, and that takes a while as well. */
const QUIET_LOOKS = 220;

/** What a worker tells of its import cache. */
export async function importedZygotes(worker: WorkerClient): Promise<ImportedZygotes> {
  const { body: text } = await worker.request('/metrics');
  const figure = (name: string) => Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1] ?? 0);
  const forks = text.matchAll(/^openlambda_package_forks_total\{depth="([^"]*)"\} (\d+)$/gm);
  const byDepth = [...forks].sort(([, a = ''], [, b = '']) => a.localeCompare(b));
  return {
    count: figure('openlambda_zygotes'),
    memoryMb: figure('openlambda_zygote_memory_bytes') / 1024 ** 2,
    forksByDepth: byDepth.map(([, , count]) => Number(count)),
  };
}

/** Resolves when no zygote has been added for a while. */
export async function zygotesPlanted(worker: WorkerClient): Promise<void> {
  for (let [last, quiet] = [0, 0]; quiet < QUIET_LOOKS; await sleep(LOOK_EVERY_MS)) {
    const { count } = await importedZygotes(worker);
    quiet = count === last ? quiet + 1 : 0;
    last = count;
  }
}
