import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type EmbeddedS3, startEmbeddedS3 } from '../helpers/embedded-s3.ts';
import { codeIn } from '../helpers/s3-error.ts';
import { sendRaw } from '../helpers/signed-raw.ts';

let server: EmbeddedS3;
beforeAll(async () => {
  server = await startEmbeddedS3();
});
afterAll(() => server[Symbol.asyncDispose]());

test.each([
  ['no HTTP', 'hello\r\n\r\n', 400, 'BadRequest'],
  ['TLS', Buffer.from('16030100a5010000a1030300', 'hex'), 400, 'BadRequest'],
  ['no host', 'GET / HTTP/1.1\r\nconnection: close\r\n\r\n', 403, 'AccessDenied'],
  ['two hosts', 'GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\nconnection: close\r\n\r\n', 400, 'InvalidRequest'],
  ['a whole URL', 'GET http://a/b HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n', 400, 'InvalidURI'],
  ['a star', 'OPTIONS * HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n', 400, 'InvalidURI'],
  ['CONNECT', 'CONNECT a:80 HTTP/1.1\r\nhost: a\r\n\r\n', 405, 'MethodNotAllowed'],
  [
    'an upgrade',
    'GET / HTTP/1.1\r\nhost: a\r\nupgrade: websocket\r\nconnection: upgrade, close\r\n\r\n',
    403,
    'AccessDenied',
  ],
  [
    'something to expect',
    'GET / HTTP/1.1\r\nhost: a\r\nexpect: wonders\r\nconnection: close\r\n\r\n',
    403,
    'AccessDenied',
  ],
  ['half a character', 'GET /%c3 HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n', 400, 'InvalidURI'],
  [
    'a length and chunks',
    'PUT /a/b HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n',
    400,
    'BadRequest',
  ],
  [
    'two lengths',
    'PUT /a/b HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n',
    400,
    'BadRequest',
  ],
  [
    'a long head',
    `GET / HTTP/1.1\r\nhost: a\r\na: ${'b'.repeat(17_000)}\r\n\r\n`,
    400,
    'RequestHeaderSectionTooLarge',
  ],
  [
    'a long line',
    `GET /${'b'.repeat(17_000)} HTTP/1.1\r\nhost: a\r\n\r\n`,
    400,
    'RequestHeaderSectionTooLarge',
  ],
])('a head with %s is answered in XML', async (_, head, status, code) => {
  const answer = await sendRaw(server.bucket, head);
  expect([answer.status, codeIn(answer.body)]).toEqual([status, code]);
});

test('any bytes are answered with an error of S3, or with nothing', async () => {
  const words = [
    'GET ',
    'PUT ',
    'HEAD ',
    '/',
    '?',
    ' HTTP/1.1',
    ' HTTP/1.0',
    '\r\n',
    '\r\n\r\n',
    'host: a',
    ': ',
    '%',
    '%2e',
    'authorization: AWS4-HMAC-SHA256 ',
  ];
  const piece = fc.oneof(
    fc.constantFrom(...words).map((word) => Buffer.from(word)),
    fc.uint8Array({ maxLength: 8 }).map((bytes) => Buffer.from(bytes)),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { maxLength: 20 }), async (pieces) => {
      // The end closes what is still open.
      const end = Buffer.from('\r\n\r\nGET / HTTP/1.1\r\nconnection: close\r\n\r\n\r\n\r\n');
      const { status, body } = await sendRaw(server.bucket, Buffer.concat([...pieces, end]));
      expect(status).toBeGreaterThanOrEqual(400);
      expect(status).toBeLessThan(500);
      expect(body === '' || body.includes('<Error><Code>')).toBe(true);
    }),
    { numRuns: 500 },
  );
});
