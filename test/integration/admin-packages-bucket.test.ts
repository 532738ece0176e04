import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eachOf } from '../../src/registry/files.ts';
import { bundleOf } from '../helpers/bundle.ts';
import { type EmbeddedS3, serveS3 } from '../helpers/embedded-s3.ts';
import { leavesNothing } from '../helpers/leftovers.ts';
import { TestIndex } from '../helpers/package-index.ts';
import { until } from '../helpers/poll.ts';
import { connectTo } from '../helpers/s3-client.ts';
import { call, startWorker, usePlace } from './run-admin.ts';

leavesNothing();
const place = usePlace();
const { admin, path } = place;

let index: TestIndex;
let s3: EmbeddedS3;
let client: S3Client;
let port = '';
let isUp = true;

beforeAll(async () => {
  index = await TestIndex.start();
  for (const [name, version] of [
    ['one', '1.0'],
    ['two', '2.0'],
    ['kept', '4.0'],
  ] as const)
    index.add({ name, version, files: { [`${name}.py`]: `VALUE = '${name}'\n` }, requires: ['shared'] });
  index.add({ name: 'shared', version: '3.0', files: { 'shared.py': '' } });
  s3 = await serveS3(path('s3'));
  client = connectTo(s3.bucket);
  await admin('new', '--cluster=c');
  const { server, bucket, accessKey, secretKey } = s3.bucket;
  const settings = {
    pip_mirror: index.url,
    registry: 'remote',
    registry_server: server,
    registry_bucket: bucket,
    registry_access_key: accessKey,
    registry_secret_key: secretKey,
    registry_check_ms: 0,
  };
  await admin('setconf', '--cluster=c', JSON.stringify(settings));
  await upload('first', 'one\n');
  await upload('plain', null);
  await upload('second', 'two\n');
  port = await startWorker(place);
});
afterAll(async () => {
  client.destroy();
  if (isUp) await s3[Symbol.asyncDispose]();
  await index[Symbol.asyncDispose]();
});

async function upload(name: string, packages: string | null): Promise<void> {
  const dir = path(`code-${name}`);
  mkdirSync(dir, { recursive: true });
  const module = packages?.trim() ?? 'os';
  writeFileSync(
    `${dir}/lambda_func.py`,
    `import ${module} as used\ndef handler(event): return used.__name__\n`,
  );
  if (packages !== null) writeFileSync(`${dir}/packages.txt`, packages);
  const { status, stderr } = await admin('upload', '--cluster=c', `--handler=${name}`, `--file=${dir}`);
  expect({ status, stderr }).toMatchObject({ status: 0 });
}

/** By other means than ours: nobody looks at it. */
async function put(name: string, body: Buffer): Promise<void> {
  await client.send(new PutObjectCommand({ Bucket: s3.bucket.bucket, Key: name, Body: body }));
}

const packages = (...args: string[]) => admin('packages', ...args, '--cluster=c');

function installed(): string[] {
  const names = readdirSync(path('c', 'packages')).filter((name) => name !== '.locks');
  return names.map((name) => name.slice(0, -17)).sort();
}

function locks(): string[] {
  return readdirSync(path('c', 'packages', '.locks')).sort();
}

test('packages of all functions that have some are installed without their names', async () => {
  const { status, stdout, stderr } = await packages('install');
  expect(stdout).toMatch(/^first {2}2 packages {2}\d+ ms\nsecond {2}2 packages {2}\d+ ms\n$/);
  expect(stderr).toBe('[1/2] first\n[2/2] second\n');
  expect(status).toBe(0);
  expect(installed()).toEqual(['one-1.0', 'shared-3.0', 'two-2.0']);
});

test('the list has the users of each, from their bundles', async () => {
  const { status, stdout } = await packages('list');
  expect(stdout.split('\n').slice(0, 4)).toEqual([
    expect.stringMatching(/^one 1\.0 .* MB {2}first$/),
    expect.stringMatching(/^shared 3\.0 .* MB {2}first second$/),
    expect.stringMatching(/^two 2\.0 .* MB {2}second$/),
    expect.stringMatching(/^3 packages, /),
  ]);
  expect(status).toBe(0);
  const { packages: data, problems } = JSON.parse((await packages('list', '--json')).stdout);
  expect(data).toContainEqual(expect.objectContaining({ name: 'two', usedBy: ['second'] }));
  expect(problems).toEqual([]);
});

test('what a worker has of an older version is used, until it has another one', async () => {
  await upload('second', '# nothing\n');
  expect((await packages('list')).stdout).toMatch(/^two 2\.0 .* second@worker-0$/m);
  expect((await packages('prune')).stdout).toBe('removed 0 packages, 0.0 MB\n');
  expect(installed()).toContain('two-2.0');
  await upload('second', null);
  expect(await call(port, 'second', 0)).toEqual({ status: 200, body: '"os"' });
  const list = async () => (await packages('list')).stdout;
  await until('the old copy is gone', async () => /^two 2\.0 .* \(unused\)$/m.test(await list()));
});

test('prune removes what no bundle uses and spares the rest, and says so before with --dry-run', async () => {
  const dry = await packages('prune', '--dry-run');
  expect(dry).toEqual({
    status: 0,
    stdout: 'two 2.0  0.0 MB\nwould remove 1 packages, 0.0 MB\n',
    stderr: '',
  });
  expect(installed()).toContain('two-2.0');
  const { stdout } = await packages('prune');
  expect(stdout).toBe('two 2.0  0.0 MB\nremoved 1 packages, 0.0 MB\n');
  expect(installed()).toEqual(['one-1.0', 'shared-3.0']);
  expect(await call(port, 'first', 0)).toEqual({ status: 200, body: '"one"' });
});

test('what a worker that has ended would serve again is used', async () => {
  await upload('third', 'kept\n');
  expect(await call(port, 'third', 0)).toEqual({ status: 200, body: '"kept"' });
  const pulled = path('c', 'workers', 'worker-0', 'pulled.json');
  await until('it is written down', () => readFileSync(pulled, 'utf8').includes('third'));
  await admin('kill', '--cluster=c');
  expect(await admin('rm', '--cluster=c', '--handler=third')).toMatchObject({ status: 0 });
  expect((await packages('prune')).stdout).toBe('removed 0 packages, 0.0 MB\n');
  expect((await packages('list')).stdout).toMatch(/^kept 4\.0 .* third@worker-0$/m);
});

/** Nothing of it may go; `kept` would, if its user were overlooked. */
async function prunesNothing(message: RegExp): Promise<void> {
  const before = [installed(), locks()];
  for (const args of [['prune'], ['prune', '--dry-run']]) {
    const ran = await packages(...args);
    expect(ran).toEqual({ status: 1, stdout: '', stderr: expect.stringMatching(message) });
  }
  expect([installed(), locks()]).toEqual(before);
}

test.each([
  ['is no bundle', Buffer.from('<html>'), "the bundle of 'odd' is refused: it is no gzip"],
  [
    'is cut off',
    bundleOf({ 'lambda_func.py': '', 'packages.txt': 'kept\n' }).subarray(0, -30),
    "the bundle of 'odd' is refused: .*cut off",
  ],
] as const)('a bundle that %s may use anything: nothing is pruned', async (_, body, reason) => {
  await put('odd', body);
  await prunesNothing(
    new RegExp(`^admin packages: no package is removed, .* 'odd' uses: ${reason}.*admin rm --handler=odd`),
  );
  const { status, stdout, stderr } = await packages('list');
  expect(stdout).toMatch(/^one 1\.0 .* first$/m);
  expect(stderr).toMatch(new RegExp(`^odd: ${reason}`));
  expect(status).toBe(1);
  await admin('rm', '--cluster=c', '--handler=odd');
  expect(await packages('prune', '--dry-run')).toMatchObject({ status: 0 });
});

test('functions beyond the first page of a listing are users as well', async () => {
  const body = bundleOf({ 'lambda_func.py': '', 'packages.txt': '# none\n' });
  const many = Array.from({ length: 1000 }, (_, at) => `many-${at}`);
  await eachOf(many, 8, async (name) => put(name, body));
  // Behind them all, and nobody has a copy of it any more.
  await put('z-last', bundleOf({ 'lambda_func.py': '', 'packages.txt': 'kept\n' }));
  await admin('kill', '--cluster=c');
  writeFileSync(path('c', 'workers', 'worker-0', 'pulled.json'), '{}');
  port = await startWorker(place);
  expect(readdirSync(path('c', 'workers', 'worker-0', 'code'))).toEqual([]);
  expect((await packages('list')).stdout).toMatch(/^kept 4\.0 .* z-last$/m);
  expect((await packages('prune')).stdout).toBe('removed 0 packages, 0.0 MB\n');
  expect(installed()).toContain('kept-4.0');
});

test('nothing is pruned while the registry is away, and the list says that it does not know', async () => {
  await s3[Symbol.asyncDispose]();
  isUp = false;
  const reason = 'the registry at http:\\S+ cannot be used: .*ECONNREFUSED.*start it, or set';
  await prunesNothing(new RegExp(`^admin packages: ${reason}`));
  const { status, stdout, stderr } = await packages('list');
  expect(stdout).toMatch(/^one 1\.0 .* MB {2}\(users not known\)$/m);
  expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringMatching(new RegExp(`^${reason}`)) });
  expect(await packages('install')).toMatchObject({ status: 1, stdout: '' });
});
