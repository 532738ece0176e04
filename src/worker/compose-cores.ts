import { availableParallelism } from 'node:os';
import type { WholeGroup } from '../cgroup/cgroup.ts';
import type { Config } from '../config/load.ts';
import { CoreWatch } from '../sandbox/cores/core-watch.ts';
import { FineTick } from '../sandbox/cores/fine-tick.ts';
import type { Log } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';

/** Has the kernel choose more often who runs while sandboxes take all cores. Null where that is not wanted, or can't be told. */
export function watchCores(
  { schedTickUs }: Config,
  { cpuTime }: WholeGroup,
  { log, metrics }: { readonly log: Log; readonly metrics: Metrics },
): { readonly watch: CoreWatch; close(): Promise<void> } | null {
  const cores = availableParallelism();
  if (schedTickUs === 0 || cpuTime === null) return null;
  const tick = new FineTick(schedTickUs, cores, log);
  const watch = new CoreWatch({
    log,
    cores,
    cpuTime,
    whenCrowded: (isCrowded) => {
      log.debug({ isCrowded, cores }, 'cores taken by sandboxes');
      tick.set(isCrowded);
    },
    crowdedFor: (ms) => metrics.crowded(ms),
  });
  const close = async () => {
    watch.close();
    await tick.close();
  };
  return { watch, close };
}
