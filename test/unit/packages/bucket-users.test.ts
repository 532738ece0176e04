import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { BucketUsers } from '../../../src/packages/bucket-users.ts';
import { checkKnown, type PackageUser } from '../../../src/packages/users.ts';
import { S3Store } from '../../../src/registry/store/s3-store.ts';
import { bundleOf } from '../../helpers/bundle.ts';
import { HOSTILE_BUNDLES } from '../../helpers/hostile-bundles.ts';
import { type Answer, etagOf, type OddBucket, sayError, startOddBucket } from '../../helpers/odd-bucket.ts';
import { bundleOf as tarBundleOf } from '../../helpers/tar-bytes.ts';

/** One test waits for it; far above what the others take. */
const SILENT_MS = 3000;

let bucket: OddBucket;
let store: S3Store;
let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'ol-users-'));
  bucket = await startOddBucket();
  bucket.answer(listing());
  const keys = { accessKey: 'a', secretKey: 's', region: 'us-east-1' };
  store = await S3Store.open({ ...keys, server: bucket.url, bucket: 'registry' }, SILENT_MS);
});
afterEach(async () => {
  store.close();
  await bucket.close();
  expect(await readdir(dir)).toEqual([]); // no bundle is left
  await rm(dir, { recursive: true });
});

let stages = 0;
async function list(): Promise<readonly PackageUser[]> {
  const stage = async () => {
    const made = join(dir, `stage-${++stages}`);
    await mkdir(made);
    return made;
  };
  return await new BucketUsers(store, stage).list();
}

/** Answers as S3 does, with a listing whose end is `end`; `get` answers for objects. */
function listing(end = '<IsTruncated>false</IsTruncated>', get?: Answer): Answer {
  return (request, response, well) => {
    if (request.method === 'HEAD') return void response.writeHead(200).end();
    if (!request.url?.includes('list-type=2'))
      return (get ?? ((_, __, answer) => answer()))(request, response, well);
    const found = [...bucket.objects.keys()].map((key) => `<Contents><Key>${key}</Key></Contents>`);
    response.writeHead(200, { 'content-type': 'application/xml' });
    response.end(`<?xml version="1.0"?><ListBucketResult>${found.join('')}${end}</ListBucketResult>`);
  };
}

const ASKING = { 'lambda_func.py': '', 'packages.txt': 'numpy\n' };
const textOf = ({ packagesFile }: PackageUser) => packagesFile?.toString() ?? null;

test('each function is there with what its packages.txt holds, also through links', async () => {
  bucket.objects.set('with', bundleOf(ASKING));
  bucket.objects.set('without', bundleOf({ 'lambda_func.py': '' }));
  const named = { name: 'packages.txt', type: '2', target: 'names' };
  bucket.objects.set('linked', tarBundleOf(named, { name: 'names', body: 'pandas\n' }));
  bucket.objects.set('.no-function', bundleOf(ASKING));
  const found = await list();
  expect(found.map((user) => [user.name, textOf(user), user.problem])).toEqual([
    ['linked', 'pandas\n', null],
    ['with', 'numpy\n', null],
    ['without', null, null],
  ]);
  expect(() => checkKnown(found)).not.toThrow();
});

test.each(
  Object.entries(HOSTILE_BUNDLES),
)('%s makes it unknown what that function uses, and only that', async (_, [bytes, reason]) => {
  bucket.objects.set('good', bundleOf(ASKING));
  bucket.objects.set('hostile', bytes);
  const [good, hostile] = await list();
  expect([good && textOf(good), good?.problem]).toEqual(['numpy\n', null]);
  expect(hostile).toMatchObject({
    packagesFile: null,
    problem: expect.stringMatching(/--handler=hostile`$/),
  });
  expect(hostile?.problem).toMatch(typeof reason === 'string' ? new RegExp(RegExp.escape(reason)) : reason);
  expect(() => checkKnown([good, hostile].filter((one) => one !== undefined))).toThrow(
    expect.objectContaining({
      code: 'ERR_USERS_UNKNOWN',
      message: expect.stringContaining("'hostile' uses: "),
    }),
  );
});

describe('a bundle that is not given', () => {
  const body = bundleOf(ASKING);
  const half = body.subarray(0, 20);
  test.each<[string, Answer, RegExp]>([
    [
      'is gone since it was listed',
      (_, response) => sayError(response, 404, 'NoSuchKey'),
      /has no function 'first'/,
    ],
    ['is denied', (_, response) => response.writeHead(403).end(), /403|denies/],
    [
      'is cut off',
      (_, response) => {
        response.writeHead(200, { etag: etagOf(body), 'content-length': body.length });
        response.write(half, () => response.destroy());
      },
      /cannot be used/,
    ],
    [
      'is another one than it says',
      (_, response) => response.writeHead(200, { etag: etagOf(body) }).end(half),
      /does not match its ETag/,
    ],
    ['does not come', () => {}, /silent for \d+ ms/],
  ])('%s makes it unknown', async (_, answer, reason) => {
    bucket.objects.set('first', body);
    bucket.objects.set('second', body);
    bucket.answer(
      listing(undefined, (request, response, well) => {
        if (request.url?.includes('first')) answer(request, response, well);
        else well();
      }),
    );
    const found = await list();
    expect(found.map(({ name }) => name)).toEqual(['first', 'second']);
    expect(found[0]).toMatchObject({ packagesFile: null, problem: expect.stringMatching(reason) });
    expect(() => checkKnown(found)).toThrow(/'first' uses: /);
  });

  test('because the server is silent is not waited for as often as there are others', async () => {
    for (let at = 1; at <= 9; at++) bucket.objects.set(`f${at}`, body);
    const asked = new Set<string>();
    bucket.answer(listing(undefined, ({ url = '' }) => asked.add(url)));
    const found = await list();
    expect(asked.size).toBe(4);
    expect(found.map(({ name }) => name)).toEqual(Array.from({ length: 9 }, (_, at) => `f${at + 1}`));
    expect(found[8]?.problem).toMatch(/^not asked for, after that of 'f\d' had failed; /);
    expect(() => checkKnown(found)).toThrow(/'f1' \(and 8 more\) uses: .*silent/);
  });
});

describe('a listing', () => {
  test.each([
    ['ends early', '<IsTruncated>true</IsTruncated>', /ends early/],
    [
      'goes round in a circle',
      '<IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>',
      /ends early/,
    ],
    ['has no end', '', /no listing/],
  ])('that %s is none', async (_, end, reason) => {
    bucket.objects.set('f', bundleOf(ASKING));
    bucket.answer(listing(end));
    await expect(list()).rejects.toMatchObject({
      code: 'ERR_REGISTRY_STORE',
      message: expect.stringMatching(reason),
    });
  });

  test('that is the page of somebody in between is none', async () => {
    bucket.answer((_, response) =>
      response.writeHead(200, { 'content-type': 'text/html' }).end('<html></html>'),
    );
    await expect(list()).rejects.toMatchObject({ code: 'ERR_REGISTRY_STORE' });
  });
});
