import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { leavesNothing } from '../helpers/leftovers.ts';

leavesNothing();

test('of what a dead root zygote leaves, PID 1 ends what nobody has been told of yet: whose ids are not mapped', () => {
  const program = join(import.meta.dirname, '../fixtures/orphans.py');
  const runtime = join(import.meta.dirname, '../../runtime/python');
  const words = [
    '--pid',
    '--fork',
    '--kill-child',
    '--mount-proc',
    '/usr/bin/python3',
    '-I',
    '-B',
    program,
    runtime,
  ];
  expect(JSON.parse(execFileSync('unshare', words, { encoding: 'utf8' }))).toEqual({
    ended: { unmapped: 9 },
    left: { mapped: true, ours: true },
    others: true,
  });
});
