import { readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type EmbeddedS3, startEmbeddedS3 } from '../helpers/embedded-s3.ts';
import { codeIn } from '../helpers/s3-error.ts';
import { encodePath, sendSigned } from '../helpers/signed-raw.ts';

let server: EmbeddedS3;
beforeAll(async () => {
  server = await startEmbeddedS3();
});
afterAll(() => server[Symbol.asyncDispose]());

const send = (
  method: string,
  url: string,
  headers: Record<string, string> = {},
  body: string | Buffer = '',
) => sendSigned(server.bucket, { method, url, headers, body });

test('no key leads anywhere else, and each is given back', async () => {
  await sendSigned(server.bucket, { method: 'PUT', url: '/keys', headers: {} });
  const odd = [
    '.',
    '..',
    '../..',
    '../../x',
    '/',
    '//',
    '/etc/passwd',
    '\0',
    'a\0b',
    '..\\x',
    '%2e%2e',
    'a/../b',
    'con',
    '\u202e',
    '\ud83d\ude00',
    'a\n',
    '?',
    '#',
    'upload.json',
    '~',
    '-rf',
    'é',
    'e\u0301',
  ];
  const keys = fc.oneof(fc.constantFrom(...odd), fc.string({ unit: 'binary', minLength: 1, maxLength: 200 }));
  const put = new Map<string, string>();
  await fc.assert(
    fc.asyncProperty(keys, async (key) => {
      const url = `/keys/${encodePath(key)}`;
      expect((await send('PUT', url, {}, encodePath(key))).status).toBe(200);
      put.set(key, encodePath(key));
      expect(await send('GET', url)).toMatchObject({ status: 200, body: encodePath(key) });
    }),
    { numRuns: 300 },
  );
  for (const [key, body] of put) expect((await send('GET', `/keys/${encodePath(key)}`)).body).toBe(body);
  const names = readdirSync(join(server.dir, 'buckets', 'keys'));
  expect(names.filter((name) => !/^[0-9a-f]{64}$/.test(name))).toEqual([]);
  expect(names).toHaveLength(put.size);
  expect(readdirSync(dirname(server.dir))).toEqual(['s3']);
  expect(readdirSync(server.dir).sort()).toEqual(['buckets', 'temporary', 'uploads']);
});

test('a key has 1,024 bytes at most', async () => {
  const url = (key: string) => `/registry/${encodePath(key)}`;
  expect((await send('PUT', url('é'.repeat(512)), {}, 'x')).status).toBe(200);
  const answer = await send('PUT', url(`${'é'.repeat(512)}x`), {}, 'x');
  expect([answer.status, codeIn(answer.body)]).toEqual([400, 'KeyTooLongError']);
});

test.each([
  '.',
  '..',
  'a',
  'A-upper',
  'a/../b',
  'a..b',
  '127.0.0.1',
  '\0ab',
  'é-é',
  'a'.repeat(64),
])('no bucket is called %j', async (name) => {
  const answer = await send('PUT', `/${encodePath(name)}`);
  expect(codeIn(answer.body)).toMatch(/^(InvalidBucketName|NoSuchBucket)$/);
  expect(readdirSync(join(server.dir, 'buckets')).filter((one) => one.length < 4)).toEqual([]);
});

test('metadata in a query whose name no header can have is refused', async () => {
  const answer = await send('PUT', '/registry/named?x-amz-meta-a%20b=c', {}, 'x');
  expect([answer.status, codeIn(answer.body)]).toEqual([400, 'InvalidArgument']);
});
