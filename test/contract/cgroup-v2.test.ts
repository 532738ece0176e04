import { readHierarchies } from '../../src/cgroup/tree.ts';
import { openV2, planV2 } from '../../src/cgroup/v2.ts';
import { describeCgroupContract } from './cgroup.contract.ts';

const plan = planV2(readHierarchies());

describeCgroupContract(
  'v2',
  typeof plan === 'string' ? plan : (workerName) => openV2(plan, `openlambda-${workerName}`),
);
