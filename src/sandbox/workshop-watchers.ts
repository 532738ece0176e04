import type { Log } from '../telemetry/log.ts';
import { type Forking, ForkWatch } from './forks/fork-watch.ts';
import type { ScratchLimits } from './scratch/scratch-usage.ts';
import { ScratchWatch, type Watchable } from './scratch/scratch-watch.ts';
import type { Watched } from './watched.ts';

export interface WorkshopWatchersOptions {
  readonly procsMax: number;
  readonly limits: ScratchLimits;
  /** Whether the kernel bounds its scratch space. */
  readonly isBoundByKernel: boolean;
  readonly log: Log;
}

/** Who watches a workshop, for `PipedSandbox.watchBy`: its bounds are not those of the engine's sandboxes. */
export function workshopWatchers({ procsMax, limits, isBoundByKernel, log }: WorkshopWatchersOptions) {
  const scratch = { watch: (it: Watchable) => new ScratchWatch({ limits, log }).add(it) };
  const forks = new ForkWatch({ procsMax, log });
  const all: { watch(sandbox: Watchable & Forking): Watched }[] = isBoundByKernel
    ? [forks]
    : [forks, scratch];
  return all;
}
