import { readdirSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { leavesNothing } from '../helpers/leftovers.ts';
import { TestIndex } from '../helpers/package-index.ts';
import { expectAnswer } from './attack.ts';
import { attackingModule, expectRefused } from './attacking-package.ts';
import { Stage, useStage } from './stage.ts';

leavesNothing();

const HANDLER = 'def handler(event): return 1\n';
let index: TestIndex;
/** Somebody else's server on this machine, which nobody may be sent to. */
let elsewhere: Server;
const asked: string[] = [];

beforeAll(async () => {
  index = await TestIndex.start();
  elsewhere = createServer((request, response) => {
    asked.push(request.url ?? '');
    response.end();
  });
  await new Promise<void>((resolve) => elsewhere.listen(0, '127.0.0.1', resolve));
});
// An installation takes longer than a call of other cases.
const stage = useStage(async () => {
  const stage = await Stage.open({
    pip_mirror: index.url,
    invocation_timeout_ms: 30_000,
    // What it keeps is no less than it was before.
    import_cache_size: 0,
    mem_limit_mb: 128,
    // Enough for as many processes as one may have: on v1 of the cgroups, those that memory ends are replaced by a fork bomb for long.
    install_mem_limit_mb: 4096,
  });
  // What the first installation makes, the worker keeps.
  index.add({ name: 'honest', version: '1.0', files: { 'honest.py': '' } });
  await stage.cluster.writeFunction('attacker', { 'packages.txt': 'honest\n', 'lambda_func.py': HANDLER });
  await stage.invoke('attacker', {});
  await stage.removeFunction('attacker');
  return stage;
});
afterAll(async () => {
  elsewhere.closeAllConnections();
  await new Promise((resolve) => elsewhere.close(resolve));
  await index[Symbol.asyncDispose]();
  expect(asked).toEqual([]);
});

const port = () => (elsewhere.address() as AddressInfo).port;

/** Packages stay where they are for the next function: what is there afterwards is not counted, but looked at. */
async function call(title: string, packages: string, code: string, expected: RegExp) {
  const { current } = stage;
  await current.cluster.writeFunction('attacker', { 'packages.txt': packages, 'lambda_func.py': code });
  const { body } = await current.beside(title, async () => {
    const answer = await current.invoke('attacker', {});
    expect(`${answer.status} ${answer.body}`).toMatch(expected);
    current.canary.checkText(answer.body);
    return answer;
  });
  const stored = readdirSync(current.cluster.paths.packages).filter((name) => !name.startsWith('.'));
  for (const name of stored) expect(name).toMatch(/^[a-z0-9-]+-[0-9.]+-[0-9a-f]{16}$/);
  return body;
}

const failed = /^500 .*ERR_PACKAGE_(FAILED|REFUSED)|ERR_PACKAGES_UNRESOLVED/;

const REFUSED_LINES = [
  '..',
  '../../etc',
  'a/../../b',
  '..%2f..',
  './x',
  '/etc/passwd',
  'file:///etc/passwd',
  'a @ file:///etc/passwd',
  '--index-url=http://127.0.0.1:1/simple',
  '-i http://127.0.0.1:1/simple',
  '--extra-index-url http://127.0.0.1:1/simple',
  '--find-links /tmp',
  '-r /etc/passwd',
  '-e .',
  '-c /etc/passwd',
  'a --hash=sha256:0',
  'a \\',
  'a ; --index-url http://127.0.0.1:1',
  'a\u2028--index-url http://127.0.0.1:1',
  'git+http://127.0.0.1:1/a',
  `a${' '.repeat(400)})`,
];

test('lines of a packages.txt that name a path, a URL, an option or nothing are refused before anybody is asked', async () => {
  const before = index.asked.length;
  const { current } = stage;
  await current.beside('lines that are no requirement', async () => {
    for (const line of REFUSED_LINES) {
      await current.cluster.writeFunction('attacker', {
        'packages.txt': `${line}\n`,
        'lambda_func.py': HANDLER,
      });
      await expectAnswer(current, {}, { status: 500, text: /ERR_PACKAGES_FILE/ });
    }
  });
  expect(index.asked.length).toBe(before);
});

test('a file of the index that has .. in its names, or in those within, writes nothing outside', async () => {
  index.add({ name: 'climbs', version: '1.0', files: { '../../../../climbed.py': '', 'climbs.py': '' } });
  index.add({ name: 'rooted', version: '1.0', files: { '/host/../climbed.py': '', 'rooted.py': '' } });
  for (const name of ['climbs', 'rooted']) {
    const code = 'import os\ndef handler(event): return os.path.exists("/packages/climbed.py")\n';
    const body = await call(`a wheel that ${name}`, `${name}\n`, code, /^500 .*ERR_PACKAGE|^200 false/);
    expect(body).toBeTruthy();
  }
});

test('an index that links to another service of this machine is not followed there', async () => {
  index.add({
    name: 'elsewhere',
    version: '1.0',
    files: {},
    href: `http://127.0.0.1:${port()}/elsewhere-1.0-py3-none-any.whl`,
  });
  index.add({
    name: 'metadata',
    version: '1.0',
    files: {},
    href: 'http://169.254.169.254/metadata-1.0-py3-none-any.whl',
  });
  index.add({
    name: 'file-link',
    version: '1.0',
    files: {},
    href: 'file:///etc/file_link-1.0-py3-none-any.whl',
  });
  for (const name of ['elsewhere', 'metadata', 'file-link'])
    await call(`an index that links to ${name}`, `${name}\n`, HANDLER, /^50[03] .*ERR_PACKAGE/);
  expect(asked).toEqual([]);
});

test('the code of a package that is built runs in a sandbox, where it reaches the index and nothing else', async () => {
  const { canary } = stage.current;
  const attack = attackingModule(canary.files, port());
  index.add({
    name: 'builds',
    version: '1.0',
    isSdist: true,
    files: { 'backend.py': attack + BUILD_WHEEL, 'pyproject.toml': pyproject('builds') },
  });
  const code = 'import builds\ndef handler(event): return builds.found\n';
  const body = await call('a package that attacks while it is built', 'builds\n', code, /^200 .*uid/);
  const found = JSON.parse(body);
  expectRefused(found);
  for (const target of Object.keys(found).filter((key) => key.startsWith('proxy')))
    expect([target, found[target]]).toEqual([target, expect.stringMatching(/^got '40[03]'$/)]);
});

test('a package that forks on and on while it is built is not installed, and says why', async () => {
  const bomb = 'import os\nwhile True:\n    try: os.fork()\n    except OSError: pass\n';
  index.add({
    name: 'bomb',
    version: '1.0',
    isSdist: true,
    files: { 'backend.py': bomb, 'pyproject.toml': pyproject('bomb') },
  });
  const why = /^503 .*ERR_PACKAGES_INSTALLER.*wanted more and more processes.*512 of them.*start fewer"/;
  await call('a package that forks on and on', 'bomb\n', HANDLER, why);
});

test('packages that need each other are installed, and those that cannot be together are refused', async () => {
  const add = (name: string, requires: string[], version = '1.0') =>
    index.add({ name, version, files: { [`${name}.py`]: '' }, requires });
  add('ring', ['round']);
  add('round', ['ring']);
  await call('a cycle', 'ring\n', 'import ring, round\ndef handler(event): return 1\n', /^200 1$/);
  add('left', ['shared==1.0']);
  add('right', ['shared==2.0']);
  add('shared', []);
  add('shared', [], '2.0');
  await call('a conflict', 'left\nright\n', HANDLER, /^500 .*ERR_PACKAGES_UNRESOLVED/);
});

test('a corrupt wheel and one of another hash are not installed', async () => {
  const files = { 'bad.py': 'VALUE = 1\n' };
  index.add({ name: 'cut', version: '1.0', files, cutAt: 200 });
  index.add({ name: 'swapped', version: '1.0', files, sha256: 'a'.repeat(64) });
  for (const name of ['cut', 'swapped']) await call(`a wheel that is ${name}`, `${name}\n`, HANDLER, failed);
});

const pyproject = (name: string) => `[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "${name}"
version = "1.0"
`;

/** Hands what was found on, as a module. */
const BUILD_WHEEL = `
import zipfile

def build_wheel(directory, config_settings=None, metadata_directory=None):
    name = 'builds-1.0-py3-none-any.whl'
    with zipfile.ZipFile(os.path.join(directory, name), 'w') as wheel:
        wheel.writestr('builds.py', 'found = ' + repr(found))
        wheel.writestr('builds-1.0.dist-info/METADATA', 'Metadata-Version: 2.1\\nName: builds\\nVersion: 1.0\\n')
        wheel.writestr('builds-1.0.dist-info/WHEEL', 'Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')
        wheel.writestr('builds-1.0.dist-info/RECORD', '')
    return name
`;
