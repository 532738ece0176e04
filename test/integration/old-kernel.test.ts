import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { TestCluster } from '../helpers/cluster.ts';
import { leavesNothing } from '../helpers/leftovers.ts';

leavesNothing();

const OLD_KERNEL = fileURLToPath(new URL('../fixtures/old-kernel.py', import.meta.url));
const ADMIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));

test.each([
  ['mount_setattr', 442, '5.12'],
  ['close_range', 436, '5.9'],
  ['open_tree', 428, '5.2'],
])('without %s, `admin workers` names it, and the version that has it', async (name, number, since) => {
  await using cluster = await TestCluster.create();
  const args = [OLD_KERNEL, String(number), process.execPath, ADMIN, 'workers', '--port=0'];
  const run = promisify(execFile)('/usr/bin/python3', [...args, `--cluster=${cluster.paths.root}`]);
  await expect(run).rejects.toMatchObject({
    code: 1,
    stdout: '',
    stderr: expect.stringMatching(
      new RegExp(
        `^admin workers: .*cannot run sandboxes: the system call ${name} is not there.* since Linux ${since}, `,
      ),
    ),
  });
});
