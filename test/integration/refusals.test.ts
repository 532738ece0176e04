import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { ROOT } from '../helpers/checkout.ts';
import { leavesNothing } from '../helpers/leftovers.ts';
import { asNobody } from '../helpers/nobody.ts';
import { CLI, run, usePlace } from './run-admin.ts';

leavesNothing();
const place = usePlace();
const START = join(ROOT, 'setup/run.mjs');
const NO_PYTHON = join(ROOT, 'test/fixtures/no-python.py');

beforeAll(async () => {
  expect(await place.admin('new', '--cluster=c')).toMatchObject({ status: 0 });
});

/** Runs this Node on a script behind another command; what it says is one line, and it fails. */
async function refusal([command, ...args]: readonly [string, ...string[]]): Promise<string> {
  const { status, stdout, stderr } = await run(command, args, place.dir);
  expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
  expect(stderr).toMatch(/^[^\n]+\n$/);
  return stderr;
}

const NOT_ROOT = /making sandboxes needs root: .*`sudo -s`/i;

test('without root, the start of a worker says so, and how to become root', async () => {
  const nobody = (...args: string[]) => refusal(asNobody(process.execPath, ...args));
  expect(await nobody(START, 'start')).toMatch(NOT_ROOT);
  expect(await nobody(CLI, 'workers', '--cluster=c')).toMatch(NOT_ROOT);
  expect(await nobody(CLI, 'worker-exec', '--config=c/config/template.json')).toMatch(NOT_ROOT);
});

test('what belongs to root is not changed by somebody else, who is told what to do', async () => {
  const before = place.read('c', 'config', 'template.json');
  const setconf = asNobody(process.execPath, CLI, 'setconf', '--cluster=c', '{"max_runners": 1}');
  expect(await refusal(setconf)).toMatch(/^admin setconf: EACCES.*: run this as root, with `sudo -s`/);
  expect(await refusal(asNobody(process.execPath, CLI, 'new', '--cluster=d'))).toMatch(
    /^admin new: EACCES.*: run this as root/,
  );
  expect(place.read('c', 'config', 'template.json')).toBe(before);
});

test('without the distribution’s Python, whatever is in PATH, each command says where it has to be', async () => {
  const bare = (...args: string[]) => refusal(['/usr/bin/python3', NO_PYTHON, process.execPath, ...args]);
  expect(await bare(START, 'start')).toMatch(/no Python at \/usr\/bin\/python3: install .*deps\.sh/);
  expect(await bare(CLI, 'new', '--cluster=d')).toMatch(
    /Python at \/usr\/bin\/python3: .*install .*python3$/m,
  );
  expect(await bare(CLI, 'workers', '--cluster=c', '--port=0')).toMatch(
    /\/usr\/bin\/python3.*install .*python3/,
  );
});
