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
  /** What that is, for a note. */
  readonly about: string;
  readonly driver: CgroupDriver;
}

/** All ways that this machine has, the one that a worker chooses first. The drivers are closed with `held`. */
export function openWays(held: AsyncDisposableStack): readonly Way[] {
  const hierarchies = readHierarchies();
  const group = `openlambda-bench-${process.pid}`;
  const ways: Way[] = [];
  const add = (by: string, about: string, driver: CgroupDriver) => {
    held.defer(() => driver.close());
    ways.push({ by, about, driver });
  };
  const v2 = planV2(hierarchies);
  if (typeof v2 !== 'string') add('v2, `cgroup.freeze`', 'the v2 tree alone', openV2(v2, group));
  const v1 = [planV1(hierarchies, 2), planV1(hierarchies, 1)].filter((plan) => typeof plan !== 'string');
  for (const plan of v1) {
    const [file, freezer] =
      plan.freezerVersion === 2 ? ['cgroup.freeze', 'the v2 tree'] : ['freezer.state', "v1's freezer"];
    add(
      `v1, \`${file}\``,
      `v1 has pids, memory and cpu; pausing is by ${freezer}`,
      openV1(plan, `${group}-${file}`),
    );
  }
  return ways;
}

/** Moves a process that runs already. */
export async function moveInto(cgroup: Cgroup, { dirs }: CgroupDriver, pid: number): Promise<void> {
  for (const dir of dirs) await writeFile(join(dir, cgroup.name, 'cgroup.procs'), String(pid));
}

/** For a note. */
export function describeWay({ by, about }: Way): string {
  return `${by}: ${about}.`;
}
