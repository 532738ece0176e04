import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ROOT, startNode } from '../helpers/checkout.ts';

const COPIED = [
  'vitest.config.ts',
  'test/run.ts',
  'test/runner',
  'test/expected-skips.ts',
  'test/helpers/poll.ts',
];

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'openlambda-runner-'));
  for (const path of COPIED) await cp(join(ROOT, path), join(dir, path), { recursive: true });
  await writeFile(join(dir, 'package.json'), '{"type": "module"}');
  await symlink(join(ROOT, 'node_modules'), join(dir, 'node_modules'));
  await mkdir(join(dir, 'test', 'unit'));
  // No worker of another run is its business.
  await writeFile(join(dir, 'test/helpers/dead-workers.ts'), 'export default () => {};');
});
afterEach(() => rm(dir, { recursive: true }));

/** Runs a test file with this body; the exit status, the last line and all lines of stdout. */
async function run(body: string, env: NodeJS.ProcessEnv = {}) {
  const code = `import { beforeAll, describe, test } from 'vitest';\n${body}`;
  await writeFile(join(dir, 'test', 'unit', 'a.test.ts'), code);
  const argv = ['test/run.ts', 'test/unit/a.test.ts'];
  const { status, stdout } = await startNode(argv, dir, { VITEST: undefined, ...env }).ended;
  const lines = stdout.trimEnd().split('\n');
  return { status, last: lines.at(-1), lines };
}

const SKIPPING = `test('goes', () => {}); test('waits', ({ skip }) => skip('no such kernel'));`;

test('counts what passed and was skipped, and lists the skip with its reason', async () => {
  const { status, last, lines } = await run(SKIPPING);
  expect([status, last]).toEqual([0, '1 passed, 0 failed, 1 skipped']);
  expect(lines).toContain('  test/unit/a.test.ts > waits: no such kernel');
});

test('a skip that nobody expected fails in CI', async () => {
  const { status, last } = await run(SKIPPING, { CI: 'true' });
  expect([status, last]).toEqual([1, '1 passed, 1 failed, 0 skipped']);
});

test.for([
  ['a test that throws', `test('a', () => { throw new Error('no'); });`],
  ['a file that cannot be loaded', `import './missing.ts';`],
  ['a file without tests', ''],
  [
    'a hook that throws',
    `describe('x', () => { beforeAll(() => { throw new Error('no'); }); test('a', () => {}); });`,
  ],
  ['a crash of the whole run', `process.kill(process.ppid, 'SIGKILL');`],
])('%s is one failure', async ([, body = '']) => {
  const { status, last } = await run(body);
  expect(status).toBe(1);
  expect(last).toMatch(/^0 passed, 1 failed, \d skipped$/);
});

test('an unhandled rejection is a failure even where every test passed', async () => {
  const { status, last } = await run(`test('a', () => { void Promise.reject(new Error('stray')); });`);
  expect([status, last]).toEqual([1, '1 passed, 1 failed, 0 skipped']);
});
