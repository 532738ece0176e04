import { ifThere, writeControl } from './control-file.ts';

/**
 * `cpu.idle`, which v1 and v2 both have since Linux 5.15: what is in such a cgroup runs when nothing in its siblings wants to. The
 * scheduling policy of its processes (SCHED_IDLE) says nothing of the kind: that is compared within a cgroup only.
 */
export function setCpuIdle(dir: string, isIdle: boolean): void {
  ifThere(() => writeControl(`${dir}/cpu.idle`, isIdle ? '1' : '0'));
}
