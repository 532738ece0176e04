import { readHierarchies } from '../../src/cgroup/tree.ts';
import { openV1, planV1 } from '../../src/cgroup/v1.ts';
import { describeCgroupContract, type MakeDriver } from './cgroup.contract.ts';
import { describeCgroupPoolContract } from './cgroup-pool.contract.ts';

/** With v1's own freezer, or with the v2 tree's beside v1's controllers. */
function makerWith(freezerVersion: 1 | 2): MakeDriver | string {
  const plan = planV1(readHierarchies(), freezerVersion);
  return typeof plan === 'string' ? plan : (workerName) => openV1(plan, `openlambda-${workerName}`);
}

describeCgroupContract('v1', makerWith(2));
describeCgroupPoolContract('v1', makerWith(2));
describeCgroupContract('v1 (with its own freezer)', makerWith(1));
