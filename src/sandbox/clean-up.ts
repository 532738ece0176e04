import { removeGroupsOf } from '../cgroup/remove.ts';
import type { ClaimRecord, CleanUps } from '../cluster/claims.ts';
import { removeContainersOf } from '../docker/clean-up.ts';
import { removeStrayNetworks } from '../network/network.ts';

/** Removes what outlives a worker that was killed, as its claim names it: cgroups, and containers. */
export async function cleanUpAfter(claim: ClaimRecord): Promise<void> {
  await removeContainersOf(claim);
  await removeGroupsOf(claim);
}

/** All that outlives workers: what their claims name, and their networks. */
export const cleanUps: CleanUps = { cleanUpAfter, cleanUpMachine: removeStrayNetworks };
