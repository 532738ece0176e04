import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { removeGroups } from '../../src/cgroup/remove.ts';
import { readHierarchies } from '../../src/cgroup/tree.ts';
import { openV2, planV2 } from '../../src/cgroup/v2.ts';
import { describeCgroupContract, type MakeDriver } from './cgroup.contract.ts';
import { describeCgroupPoolContract } from './cgroup-pool.contract.ts';

const plan = planV2(readHierarchies());
const make: MakeDriver | string =
  typeof plan === 'string' ? plan : (workerName) => openV2(plan, `openlambda-${workerName}`);

describeCgroupContract('v2', make);
describeCgroupPoolContract('v2', make);

describe('a delegated group on v2', () => {
  test('is used, once its processes have moved to a leaf', async ({ skip }) => {
    if (typeof plan === 'string') return skip(plan);
    const group = `openlambda-test-${process.pid}-service`;
    const dir = join(plan.parent, group);
    const scripts = ['cgroup-delegated.py', 'cgroup-delegated.ts'].map((name) =>
      join(import.meta.dirname, name),
    );
    const [python = '', node = ''] = scripts;
    const { stdout } = await promisify(execFile)('/usr/bin/python3', [python, dir, process.execPath, node]);
    await removeGroups([dir]);
    expect(JSON.parse(stdout)).toEqual({
      dirs: [join(dir, 'openlambda-delegated'), join(dir, 'openlambda-second')],
      own: `0::/${group}/openlambda-processes`,
    });
    expect(existsSync(dir)).toBe(false);
  });
});
