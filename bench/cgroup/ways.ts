import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Cgroup, CgroupDriver } from '../../src/cgroup/cgroup.ts';
import { readHierarchies } from '../../src/cgroup/tree.ts';
import { openV1, planV1 } from '../../src/cgroup/v1.ts';
import { openV2, planV2 } from '../../src/cgroup/v2.ts';

/** One of the ways in which a worker could bound and pause here. */
export interface Way {
  /** For a row of the table. */
  readonly by: string;
  readonly driver: CgroupDriver;
}

/** All ways that this machine has, the one that a worker chooses first. The drivers are closed with `held`. */
export function openWays(held: AsyncDisposableStack): readonly Way[] {
  const hierarchies = readHierarchies();
  const group = `openlambda-bench-${process.pid}`;
  const ways: Way[] = [];
  const add = (by: string, driver: CgroupDriver) => {
    held.defer(() => driver.close());
    ways.push({ by, driver });
  };
  const v2 = planV2(hierarchies);
  if (typeof v2 !== 'string') add('v2, `cgroup.freeze`', openV2(v2, group));
  const v1 = [planV1(hierarchies, 2), planV1(hierarchies, 1)].filter((plan) => typeof plan !== 'string');
  for (const plan of v1) {
    const file = plan.freezerVersion === 2 ? 'cgroup.freeze' : 'freezer.state';
    add(`v1, \`${file}\``, openV1(plan, `${group}-${file}`));
  }
  return ways;
}

/** Moves a process that runs already. */
export async function moveInto(cgroup: Cgroup, { dirs }: CgroupDriver, pid: number): Promise<void> {
  for (const dir of dirs) await writeFile(join(dir, cgroup.name, 'cgroup.procs'), String(pid));
}

/** For a note: what is mounted, without the paths of this machine. */
export function describeWay({ by, driver }: Way): string {
  return `${by}: ${driver.why.replaceAll(/ \(at [^)]*\)/g, '')}.`;
}
