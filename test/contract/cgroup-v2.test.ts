import { readHierarchies } from '../../src/cgroup/tree.ts';
import { openV2, planV2 } from '../../src/cgroup/v2.ts';
import { describeCgroupContract, type MakeDriver } from './cgroup.contract.ts';
import { describeCgroupPoolContract } from './cgroup-pool.contract.ts';

const plan = planV2(readHierarchies());
const make: MakeDriver | string =
  typeof plan === 'string' ? plan : (workerName) => openV2(plan, `openlambda-${workerName}`);

describeCgroupContract('v2', make);
describeCgroupPoolContract('v2', make);
