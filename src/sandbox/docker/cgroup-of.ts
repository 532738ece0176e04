import { readFileSync } from 'node:fs';
import { type Hierarchy, parseHierarchies } from '../../cgroup/tree.ts';
import { isProcessGone } from '../../linux/process-gone.ts';

/** The cgroups that a process is in, as far as they can be seen from here; none where it is gone. */
export function cgroupsOf(pid: number): Hierarchy[] {
  return parseHierarchies(readFileSync('/proc/self/mountinfo', 'utf8'), membershipOf(pid));
}

/** Where a controller counts for a process that is in these: v1's hierarchy of it, else the v2 tree. */
export function countingGroup(groups: readonly Hierarchy[], controller: string): Hierarchy | null {
  const v1 = groups.find(({ controllers }) => controllers.includes(controller));
  return v1 ?? groups.find(({ version }) => version === 2) ?? null;
}

/** `/proc/<pid>/cgroup`; empty where the process is gone. The daemon puts a container's id into the name of its cgroup. */
export function membershipOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cgroup`, 'utf8');
  } catch (error) {
    if (isProcessGone(error)) return '';
    throw error;
  }
}
