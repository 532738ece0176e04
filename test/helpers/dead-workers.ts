import { listClaims, removeStaleClaims } from '../../src/cluster/claims.ts';
import { cleanUps } from '../../src/sandbox/clean-up.ts';

/**
 * Before any test: what the workers of a run that was killed have left on this machine goes, as it would when the next worker
 * starts. Else it would be gone after the first test that starts one, and `leavesNothing` would miss it, or find it new.
 */
export default async function removeDeadWorkers(): Promise<void> {
  const { stale } = await listClaims();
  for (const cluster of new Set(stale.map((claim) => claim.cluster)))
    await removeStaleClaims(cluster, cleanUps);
}
