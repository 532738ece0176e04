import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { leavesNothing } from '../helpers/leftovers.ts';
import { TestIndex } from '../helpers/package-index.ts';
import { usePlace, writeFunction } from './run-admin.ts';

leavesNothing();
const place = usePlace();
const { admin, path } = place;

let index: TestIndex;
beforeAll(async () => {
  index = await TestIndex.start();
  index.add({ name: 'one', version: '1.0', files: { 'one.py': '' }, requires: ['shared'] });
  index.add({ name: 'two', version: '2.0', files: { 'two.py': '' }, requires: ['shared'] });
  index.add({
    name: 'shared',
    version: '3.0',
    files: { 'shared.py': `TEXT = ${JSON.stringify('x'.repeat(200_000))}\n` },
  });
  await admin('new', '--cluster=c');
  await admin('setconf', '--cluster=c', JSON.stringify({ pip_mirror: index.url }));
});
afterAll(() => index[Symbol.asyncDispose]());

function write(name: string, packages: string | null): void {
  writeFunction(path('c', 'registry'), name, 'def handler(event): return 1\n');
  if (packages !== null) writeFileSync(path('c', 'registry', name, 'packages.txt'), packages);
}

function installed(): string[] {
  const names = readdirSync(path('c', 'packages')).filter((name) => !name.startsWith('.'));
  return names.map((name) => name.slice(0, -17)).sort();
}

test.each([
  [['packages'], 2, "admin packages: missing required argument 'action': see `admin help packages`"],
  [['packages', 'lsit', '--cluster=c'], 2, 'admin packages: unknown action "lsit": list, install or prune'],
  [
    ['packages', 'list'],
    2,
    'admin packages: --cluster is missing: name the cluster directory, `admin packages --cluster=my-cluster`',
  ],
  [
    ['packages', 'list', '--cluster=nowhere'],
    1,
    'admin packages: nowhere is not a cluster directory: make it with `admin new --cluster=nowhere`',
  ],
  [
    ['packages', 'prune', 'a', 'b', '--cluster=c'],
    2,
    'admin packages: prune is about all packages of the cluster: leave out "a b"',
  ],
  [
    ['packages', 'list', 'a', '--cluster=c'],
    2,
    'admin packages: list is about all packages of the cluster: leave out "a"',
  ],
  [['packages', 'prune', '--json', '--cluster=c'], 2, 'admin packages: --json is for list, not for prune'],
  [
    ['packages', 'install', '--dry-run', '--cluster=c'],
    2,
    'admin packages: --dry-run is for prune, not for install',
  ],
  [
    ['packages', 'install', 'a', '--cluster=c'],
    1,
    /^admin packages: no worker runs in \S+\/c: start one with `admin workers --cluster=\S+\/c`$/,
  ],
] as const)('%j is refused, with what to do', async (args, status, message) => {
  const ran = await admin(...args);
  expect(ran).toMatchObject({ status, stdout: '' });
  if (typeof message === 'string') expect(ran.stderr).toBe(`${message}\n`);
  else expect(ran.stderr.trimEnd()).toMatch(message);
});

describe('with a worker', () => {
  beforeAll(async () => {
    write('first', 'one\n');
    write('second', 'two\n');
    write('plain', null);
    write('wrong', '--index-url x\n');
    const { status, stderr } = await admin('workers', '--cluster=c', '--port=0');
    expect({ status, stderr }).toEqual({ status: 0, stderr: expect.anything() });
  });

  test('packages of all functions are installed, with progress, and what fails is told and is no success', async () => {
    const { status, stdout, stderr } = await admin('packages', 'install', '--cluster=c');
    expect(status).toBe(1);
    expect(stdout).toMatch(/^first {2}2 packages {2}\d+ ms\nsecond {2}2 packages {2}\d+ ms\n$/);
    expect(stderr).toContain('[1/3] first\n[2/3] second\n[3/3] wrong\n');
    expect(stderr).toContain("wrong: packages.txt of 'wrong', line 1");
    expect(installed()).toEqual(['one-1.0', 'shared-3.0', 'two-2.0']);
  });

  test('a function that is not there is told of by its name', async () => {
    const told = {
      nosuch: "nosuch: there is no function 'nosuch': ",
      '../c': "admin packages: '../c' is not a function name: use 1 to 64 letters",
      'a b': "admin packages: 'a b' is not a function name: use 1 to 64 letters",
    };
    for (const [name, message] of Object.entries(told)) {
      const { status, stdout, stderr } = await admin('packages', 'install', name, '--cluster=c');
      expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
      expect(stderr).toContain(message);
    }
    expect((await admin('packages', 'install', 'plain', '--cluster=c')).stdout).toMatch(
      /^plain {2}0 packages/,
    );
  });

  test('the list has sizes and users, also as data', async () => {
    const { stdout } = await admin('packages', 'list', '--cluster=c');
    const lines = stdout.trimEnd().split('\n');
    expect(lines.slice(0, 3)).toEqual([
      expect.stringMatching(/^one 1\.0 {2}0\.0 MB {2}first$/),
      expect.stringMatching(/^shared 3\.0 {2}0\.4 MB {2}first second$/),
      expect.stringMatching(/^two 2\.0 {2}0\.0 MB {2}second$/),
    ]);
    expect(lines[3]).toMatch(/^3 packages, 0\.4 MB$/);
    const { packages } = JSON.parse((await admin('packages', 'list', '--json', '--cluster=c')).stdout);
    expect(packages).toContainEqual(
      expect.objectContaining({ name: 'shared', version: '3.0', usedBy: ['first', 'second'] }),
    );
  });

  test('prune removes what no function uses any more, and says so before with --dry-run', async () => {
    expect((await admin('packages', 'prune', '--cluster=c')).stdout).toBe('removed 0 packages, 0.0 MB\n');
    write('second', '# nothing\n');
    expect((await admin('packages', 'list', '--cluster=c')).stdout).toContain('two 2.0  0.0 MB  (unused)\n');
    const dry = await admin('packages', 'prune', '--dry-run', '--cluster=c');
    expect(dry.stdout).toBe('two 2.0  0.0 MB\nwould remove 1 packages, 0.0 MB\n');
    expect(installed()).toContain('two-2.0');
    const { stdout } = await admin('packages', 'prune', '--cluster=c');
    expect(stdout).toBe('two 2.0  0.0 MB\nremoved 1 packages, 0.0 MB\n');
    expect(installed()).toEqual(['one-1.0', 'shared-3.0']);
  });

  test('a function whose packages.txt is no file may use anything: nothing is pruned', async () => {
    write('odd', null);
    mkdirSync(path('c', 'registry', 'odd', 'packages.txt'));
    write('first', '# nothing\n');
    const prune = await admin('packages', 'prune', '--cluster=c');
    expect({ status: prune.status, stdout: prune.stdout }).toEqual({ status: 1, stdout: '' });
    expect(prune.stderr).toMatch(
      /^admin packages: no package is removed, .*'odd' uses: \S+odd\/packages.txt is no file: /,
    );
    expect(installed()).toEqual(['one-1.0', 'shared-3.0']);
    const list = await admin('packages', 'list', '--cluster=c');
    expect(list).toMatchObject({ status: 1, stderr: expect.stringMatching(/^odd: \S+ is no file/) });
    expect(list.stdout).toContain('one 1.0  0.0 MB  (users not known)\n');
  });
});
