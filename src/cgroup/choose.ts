import { OlError } from '../errors.ts';
import type { Log } from '../telemetry/log.ts';
import type { CgroupDriver } from './cgroup.ts';
import { type Hierarchy, readHierarchies } from './tree.ts';
import { openV1, planV1 } from './v1.ts';
import { openV2, planV2 } from './v2.ts';

export interface DriverOptions {
  /** Unique among the living workers of this machine: the number of its slot. Its groups are called `openlambda-<it>`. */
  readonly workerName: string;
  readonly log: Log;
}

/**
 * The driver for what is mounted on this machine, with the worker's own group made: v2 where its tree has the controllers
 * memory, pids and cpu, else v1 where these are mounted. Throws ERR_NO_CGROUPS, which tells what is missing for either.
 */
export function chooseDriver({ workerName, log }: DriverOptions): CgroupDriver {
  const driver = openBest(readHierarchies(), `openlambda-${workerName}`);
  log.info({ kind: driver.kind, why: driver.why }, 'cgroup driver chosen');
  return driver;
}

function openBest(hierarchies: readonly Hierarchy[], group: string): CgroupDriver {
  const v2 = planV2(hierarchies);
  if (typeof v2 !== 'string') return openV2(v2, group);
  const v1 = planV1(hierarchies);
  if (typeof v1 !== 'string') return openV1({ ...v1, why: `${v2}; ${v1.why}` }, group);
  throw new OlError('ERR_NO_CGROUPS', {
    reason: `${v2}; ${v1}; mount one of them, or run outside of a container`,
  });
}
