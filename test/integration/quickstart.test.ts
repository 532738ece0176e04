import { execFile } from 'node:child_process';
import { access, cp, mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ROOT, startNode } from '../helpers/checkout.ts';
import { leavesNothing } from '../helpers/leftovers.ts';
import { makeTestDir, removeEmptyRoot } from '../helpers/test-root.ts';

leavesNothing();

const exec = promisify(execFile);
/** The launcher takes the Node in PATH where none was fetched. */
const env: NodeJS.ProcessEnv = {
  ...process.env,
  PATH: [dirname(process.execPath), process.env.PATH].join(delimiter),
};

let dir: string;
beforeEach(async () => {
  dir = await makeTestDir();
  // Without the pin of uv there is nothing to fetch.
  const filter = (source: string) => !source.includes('node_modules') && !source.endsWith('setup/uv');
  for (const path of ['bin', 'quickstart', 'runtime', 'setup', 'src', 'package.json', 'package-lock.json']) {
    await cp(join(ROOT, path), join(dir, path), { recursive: true, filter });
  }
  await symlink(join(ROOT, 'node_modules'), join(dir, 'node_modules'));
});
afterEach(async () => {
  if (await isThere('my-cluster')) await admin('kill', '--cluster=my-cluster');
  await rm(dir, { recursive: true });
  await removeEmptyRoot();
});

async function isThere(path: string): Promise<boolean> {
  return await access(join(dir, path)).then(
    () => true,
    () => false,
  );
}

async function admin(...args: string[]): Promise<string> {
  return (await exec('bin/admin', args, { cwd: dir, env })).stdout;
}

/** What `npm start -- --port=0` does. */
async function start(...args: string[]) {
  const { INIT_CWD: _, OL_PORT: __, ...rest } = env;
  const run = startNode(['setup/run.mjs', 'start', ...args], dir, { ...rest, INIT_CWD: dir, OL_PORT: '' });
  return await run.ended;
}

test('npm start ends with an answer, and the commands that it shows work', async ({ skip }) => {
  if (process.getuid?.() !== 0) skip('making sandboxes needs root');
  const { status, stdout, stderr } = await start('--port=0');
  expect([status, stderr.split('\n')]).toEqual([
    0,
    [
      'Make the cluster my-cluster',
      'Copy the function hello to my-cluster/registry/hello',
      'Start a worker in the background',
      '',
    ],
  ]);
  const [answer, times, , , ...commands] = stdout.trimEnd().split('\n');
  expect(answer).toBe('"Hello, Alice!"');
  expect(times).toMatch(/^cold [\d.]+ ms, warm [\d.]+ ms$/);
  const [curl = '', statusCommand = '', kill = ''] = commands;
  const inShell = (command: string) => exec('sh', ['-c', command], { cwd: dir, env });
  expect((await inShell(curl)).stdout).toBe('"Hello, Bob!"');
  expect((await inShell(statusCommand)).stdout).toContain('ready [200 OK]');
  await inShell(kill);
  await expect(inShell(statusCommand)).rejects.toThrow('no worker runs');
});

test('a second npm start goes on from what is there, an edited hello included', async ({ skip }) => {
  if (process.getuid?.() !== 0) skip('making sandboxes needs root');
  await start('--port=0');
  await writeFile(join(dir, 'my-cluster/registry/hello/lambda_func.py'), 'handler = lambda event: "mine"\n');
  const { stdout, stderr } = await start('--port=1');
  expect(stdout).toMatch(/^"mine"\n/);
  expect(stderr).toMatch(/^worker-0 of my-cluster runs already at http:\/\/localhost:\d+\n$/);
});

test('a port that is none is a mistake in the command line', async ({ skip }) => {
  if (process.getuid?.() !== 0) skip('npm start asks for root first');
  const { status, stderr } = await start('--port=http');
  expect(status).toBe(2);
  expect(stderr).toMatch(/^'http' is not a port/);
  expect(await isThere('my-cluster')).toBe(false);
});

test('the launcher is found through links and from any directory', async () => {
  await mkdir(join(dir, 'elsewhere'));
  await symlink('../bin/admin', join(dir, 'elsewhere', 'one'));
  await symlink('one', join(dir, 'elsewhere', 'two'));
  const { stdout } = await exec(join(dir, 'elsewhere', 'two'), ['--version'], { cwd: '/', env });
  expect(stdout).toBe(await admin('--version'));
});

test('the launcher says what to do where the packages are missing', async () => {
  await rm(join(dir, 'node_modules'));
  const failed = { code: 1, stderr: expect.stringContaining('run `npm start` or ./quickstart/deps.sh') };
  await expect(admin('--version')).rejects.toMatchObject(failed);
});

test('deps.sh finds nothing to install where everything is there', async () => {
  const { stderr } = await exec('quickstart/deps.sh', { cwd: dir, env });
  expect(stderr).toBe('deps: all there: start with `npm start`\n');
});
