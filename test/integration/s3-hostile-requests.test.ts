import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type EmbeddedS3, startEmbeddedS3 } from '../helpers/embedded-s3.ts';
import { codeIn } from '../helpers/s3-error.ts';
import { encodePath, encodeText, type RawAnswer, sendSigned } from '../helpers/signed-raw.ts';

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

/** It is a success, or an error of S3 with its XML; and no failure of the server. */
function checkAnswer({ status, body }: RawAnswer, isHead: boolean): void {
  expect(status).toBeGreaterThanOrEqual(200);
  if (status !== 501) expect(status).toBeLessThan(500);
  if (status >= 400 && !isHead) expect(codeIn(body)).toMatch(/^\w+$/);
}

const words = (text: string) => fc.constantFrom(...text.split(/\s+/));

/** What may be asked for: a method, a path, a query, a body. */
const OPERATIONS: readonly (readonly [string, string, string, string])[] = [
  ['GET', '/', '', ''],
  ['PUT', '/another', '', ''],
  ['HEAD', '/registry', '', ''],
  ['DELETE', '/another', '', ''],
  ['GET', '/registry', 'list-type=2', ''],
  ['GET', '/registry', '', ''],
  ['GET', '/registry', 'location', ''],
  ['GET', '/registry', 'uploads', ''],
  ['POST', '/registry', 'delete', '<Delete><Object><Key>other</Key></Object></Delete>'],
  ['PUT', '/registry/there', '', 'something'],
  ['GET', '/registry/there', '', ''],
  ['HEAD', '/registry/there', '', ''],
  ['DELETE', '/registry/other', '', ''],
  ['POST', '/registry/there', 'uploads', ''],
  ['PUT', '/registry/there', 'partNumber=1&uploadId=UPLOAD', 'part'],
  ['GET', '/registry/there', 'uploadId=UPLOAD', ''],
  [
    'POST',
    '/registry/there',
    'uploadId=UPLOAD',
    '<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>a</ETag></Part></CompleteMultipartUpload>',
  ],
];
const METHODS = words('GET PUT HEAD DELETE POST PATCH OPTIONS');
const PATHS = words('/ /registry /registry/ /registry/there // //x /none/x /../x /registry/../x');
const PARAMETERS =
  words(`prefix delimiter max-keys continuation-token start-after encoding-type fetch-owner marker
  max-parts part-number-marker max-uploads response-content-type response-expires x-amz-meta-a x-id`);
const STRANGE_PARAMETERS = words(
  'acl partNumber uploadId delete X-Amz-Expires X-Amz-Date __proto__ versionId',
);
const HEADERS = words(`range if-match if-none-match if-modified-since if-unmodified-since if-range content-md5
  content-type content-encoding expires x-amz-meta-a x-amz-checksum-crc32 x-amz-checksum-sha256 x-amz-checksum-type
  x-amz-checksum-algorithm x-amz-checksum-mode x-amz-mp-object-size x-amz-decoded-content-length`);
const STRANGE_HEADERS = words(
  'x-amz-acl x-amz-copy-source x-amz-trailer x-amz-content-sha256 x-amz-storage-class expect',
);
const VALUES =
  words(`0 1 2 -1 1000 99999999999 true url / * "a" bytes=0- bytes=-1 bytes=5-2 bytes=2-3,4-5 AAAAAA== CRC32
  FULL_OBJECT ENABLED private constructor x-amz-checksum-crc32 UNSIGNED-PAYLOAD STREAMING-UNSIGNED-PAYLOAD-TRAILER
  STREAMING-AWS4-HMAC-SHA256-PAYLOAD Fri,%2024%20May%202013%2000:00:00%20GMT aws-chunked`).map(
    decodeURIComponent,
  );

const anything = fc.string({ unit: 'binary', maxLength: 12 });
const mostly = <T>(usual: fc.Arbitrary<T>, strange: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 6, arbitrary: usual }, { weight: 1, arbitrary: strange });
const seldom = <T>(odd: fc.Arbitrary<T>) => mostly<T | null>(fc.constant(null), odd);
const onceEach = <T>(name: fc.Arbitrary<string>, value: fc.Arbitrary<T>) =>
  fc.uniqueArray(fc.tuple(name, value), { maxLength: 2, selector: ([one]) => one });
/** An operation, and something about it that is odd. */
const REQUESTS = fc.record({
  operation: fc.constantFrom(...OPERATIONS),
  method: seldom(METHODS),
  path: seldom(
    fc.oneof(
      PATHS,
      anything.map((text) => `/${text}`),
      anything.map((text) => `/registry/${text}`),
    ),
  ),
  query: onceEach(mostly(PARAMETERS, fc.oneof(STRANGE_PARAMETERS, anything)), mostly(VALUES, anything)),
  headers: onceEach(
    mostly(HEADERS, STRANGE_HEADERS),
    mostly(
      VALUES,
      fc.string({ maxLength: 12 }).map((text) => text.trim()),
    ),
  ),
  body: seldom(anything),
});

test('whatever is asked for with a good signature, the answer is one of S3', async () => {
  await send('PUT', '/registry/there', { 'x-amz-meta-a': 'b' }, 'something');
  const upload =
    /<UploadId>(.*)<\/UploadId>/.exec((await send('POST', '/registry/there?uploads')).body)?.[1] ?? '';
  await fc.assert(
    fc.asyncProperty(REQUESTS, async ({ operation, ...odd }) => {
      const [usualMethod, usualPath, usualQuery, usualBody] = operation;
      const [method, path] = [odd.method ?? usualMethod, odd.path ?? usualPath];
      const pairs = odd.query.map((pair) => pair.map(encodeText).join('='));
      const query = [usualQuery.replace('UPLOAD', upload), ...pairs].filter(Boolean).join('&');
      const url = `${encodePath(path)}${query === '' ? '' : `?${query}`}`;
      const answer = await send(method, url, Object.fromEntries(odd.headers), odd.body ?? usualBody);
      checkAnswer(answer, method === 'HEAD');
    }),
    { numRuns: 2500 },
  );
  await send('PUT', '/registry');
  await send('PUT', '/registry/there', {}, 'something');
  expect(await send('GET', '/registry/there')).toMatchObject({ status: 200, body: 'something' });
  // What else it has left there is read, too.
  checkAnswer(await send('GET', '/registry?list-type=2&encoding-type=url'), false);
});
