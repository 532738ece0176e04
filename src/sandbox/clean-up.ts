import { removeGroupsOf } from '../cgroup/remove.ts';
import type { ClaimRecord } from '../cluster/claims.ts';
import { removeContainersOf } from '../docker/clean-up.ts';
import { removeNetworkOf } from '../network/network.ts';

/** Removes what outlives a worker that was killed, as its claim names it: cgroups, containers, its network. */
export async function cleanUpAfter(claim: ClaimRecord): Promise<void> {
  await removeContainersOf(claim);
  await removeGroupsOf(claim);
  await removeNetworkOf(claim);
}
