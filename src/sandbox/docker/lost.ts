import { setTimeout as sleep } from 'node:timers/promises';
import { ifThere, writeControl } from '../../cgroup/control-file.ts';
import { identify, isAlive, type ProcessId, signal } from '../../cluster/process.ts';
import { cgroupsOf, membershipOf } from './cgroup-of.ts';

const EVERY_MS = 20;

/** The first process of a container; null where it is gone, or where what the daemon calls `pid` is another process here. */
export function firstProcessOf(id: string, pid: number): ProcessId | null {
  return membershipOf(pid).includes(id) ? identify(pid) : null;
}

/**
 * Ends a container without its daemon, which has crashed: containers outlive it, and with them whoever has this scratch
 * directory and this uid. The first process takes all others with it. Resolves when it is gone.
 */
export async function endLost(first: ProcessId): Promise<void> {
  while (isAlive(first.pid, first.startTicks)) {
    signal(first, 'SIGKILL');
    thaw(first.pid);
    await sleep(EVERY_MS);
  }
}

/** What a v1 freezer has stopped does not die before it is thawed; with v2 it does. */
function thaw(pid: number): void {
  const freezer = cgroupsOf(pid).find(({ controllers }) => controllers.includes('freezer'));
  if (freezer !== undefined) ifThere(() => writeControl(`${freezer.own}/freezer.state`, 'THAWED'));
}
