import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { BODIES_MAX, HTTP_LIMITS, OBJECT_MAX_BYTES } from '../../src/s3/limits.ts';
import { type EmbeddedS3, startEmbeddedS3 } from '../helpers/embedded-s3.ts';
import { until } from '../helpers/poll.ts';
import { parseResponse, RawConnection } from '../helpers/raw-http.ts';
import { codeIn } from '../helpers/s3-error.ts';
import { sendRaw, sendSigned, signedHead } from '../helpers/signed-raw.ts';

let server: EmbeddedS3;
beforeEach(async () => {
  server = await startEmbeddedS3();
});
afterEach(() => server[Symbol.asyncDispose]());

const open = () => RawConnection.open(server.port);
const put = (key: string, headers: Record<string, string> = {}) => ({
  method: 'PUT',
  url: `/registry/${key}`,
  headers,
});
const temporary = () => readdirSync(join(server.dir, 'temporary'));

/** Sends a head that promises two bytes, and one of them. */
async function openHalf(key: string): Promise<RawConnection> {
  const connection = await open();
  connection.send(`${signedHead(server.bucket, put(key, { 'content-length': '2' }))}\r\n\r\nx`);
  return connection;
}

test(`${BODIES_MAX} bodies are under way at most, and who sends none does not wait for them`, async () => {
  const halves = await Promise.all(Array.from({ length: BODIES_MAX }, (_, at) => openHalf(`half-${at}`)));
  await until('all of them', () => temporary().length === BODIES_MAX);
  const more = await sendSigned(server.bucket, { ...put('more'), body: 'x' });
  expect([more.status, codeIn(more.body)]).toEqual([503, 'SlowDown']);
  expect((await sendSigned(server.bucket, { method: 'GET', url: '/registry', headers: {} })).status).toBe(
    200,
  );
  for (const half of halves) half.send('y');
  for (const half of halves) expect(parseResponse(await half.untilClosed()).status).toBe(200);
  expect((await sendSigned(server.bucket, { ...put('more'), body: 'x' })).status).toBe(200);
});

test('a client that goes away in the middle leaves nothing', async () => {
  const half = await openHalf('half');
  await until('half of it', () => temporary().length === 1);
  half[Symbol.dispose]();
  await until('its end', () => temporary().length === 0);
  const answer = await sendSigned(server.bucket, { method: 'GET', url: '/registry/half', headers: {} });
  expect(codeIn(answer.body)).toBe('NoSuchKey');
});

test.each([
  '5\r\n1\r\nx\r\r\nZZZ\r\n',
  'ZZ\r\n',
  '10000000000000000000\r\n',
  `3;${'a'.repeat(20_000)}\r\n`,
])('a body whose framing breaks off is told so, and leaves nothing (%#)', async (body) => {
  using connection = await open();
  const payload = 'STREAMING-UNSIGNED-PAYLOAD-TRAILER';
  const headers = { 'x-amz-content-sha256': payload, 'x-amz-trailer': 'x-amz-checksum-crc32' };
  const head = signedHead(server.bucket, put('broken', { ...headers, 'transfer-encoding': 'chunked' }));
  connection.send(`${head}\r\n\r\n`);
  await until('its begin', () => temporary().length === 1);
  connection.send(body);
  const { status, body: answer } = parseResponse(await connection.untilClosed());
  expect([status, codeIn(answer)]).toEqual([400, 'BadRequest']);
  await until('its end', () => temporary().length === 0);
});

test('an object that is too large by its length is refused before a byte of it has come', async () => {
  using connection = await open();
  const request = put('large', { 'content-length': String(OBJECT_MAX_BYTES + 1) });
  connection.send(`${signedHead(server.bucket, request)}\r\n\r\n`);
  const { status, body } = parseResponse(await connection.until(/<\/Error>/));
  expect([status, codeIn(body)]).toEqual([400, 'EntityTooLarge']);
});

test('who asks whether to send a body is told to go on, or told why not and nothing else', async () => {
  const asking = { 'content-length': '1', expect: '100-continue' };
  using good = await open();
  good.send(`${signedHead(server.bucket, put('asked', asking))}\r\n\r\n`);
  await good.until(/^HTTP\/1\.1 100 Continue\r\n\r\n/);
  good.send('x');
  expect(await good.untilClosed()).toMatch(/\r\n\r\nHTTP\/1\.1 200 OK/);
  using bad = await open();
  const wrong = { ...server.bucket, secretKey: 'wrong' };
  const head = signedHead(wrong, put('asked', asking)).replace('connection: close', 'connection: keep-alive');
  bad.send(`${head}\r\n\r\n`);
  expect(await bad.untilClosed()).toMatch(/^HTTP\/1\.1 403 Forbidden\r\n(?:.*\r\n)*connection: close\r\n/i);
});

test('a head that does not come to its end is waited for, for a while', async () => {
  using connection = await open();
  connection.send('GET / HTTP/1.1\r\nhost: a\r\n');
  const { status, body } = parseResponse(await connection.untilClosed());
  expect([status, codeIn(body)]).toEqual([400, 'RequestTimeout']);
});

test(`there are ${HTTP_LIMITS.connectionsMax} connections at most, and room again when one ends`, async () => {
  const idle = await Promise.all(Array.from({ length: HTTP_LIMITS.connectionsMax }, open));
  using refused = await open();
  expect(await refused.untilClosed()).toBe('');
  idle.pop()?.[Symbol.dispose]();
  const ask = () => sendRaw(server.bucket, 'GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n');
  await until('room', async () => (await ask()).status === 403);
  for (const one of idle) one[Symbol.dispose]();
});
