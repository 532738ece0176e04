import { removeGroupsOf } from '../cgroup/remove.ts';
import type { ClaimRecord } from '../cluster/claims.ts';
import { removeContainersOf } from '../docker/clean-up.ts';

/** Removes what outlives a worker that was killed, as its claim names it: cgroups, and containers. */
export async function cleanUpAfter(claim: ClaimRecord): Promise<void> {
  await removeContainersOf(claim);
  await removeGroupsOf(claim);
}
