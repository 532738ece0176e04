import { expect, test } from 'vitest';
import { expectError } from '../helpers/errors.ts';
import { leavesNothing } from '../helpers/leftovers.ts';
import { parseResponse, RawConnection } from '../helpers/raw-http.ts';
import { useWorker } from '../helpers/worker.ts';

leavesNothing();
const LIMIT_KB = 256;
const LIMIT = LIMIT_KB * 1024;
/** Above this, the sandbox checks the JSON and not the worker. */
const LARGE = 70_000;
const worker = useWorker(['echo', 'size', 'sleep'], { request_max_kb: LIMIT_KB, response_max_kb: LIMIT_KB });

const pad = (text: string) => ' '.repeat(LARGE) + text;
const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);

const BAD_JSON: readonly (readonly [string, string | Buffer])[] = [
  ['half an object', '{"a": '],
  ['single quotes', "{'a': 1}"],
  ['two values', '1 2'],
  ['a trailing comma', '[1,]'],
  ['NaN', 'NaN'],
  ['Infinity', '[-Infinity]'],
  ['a raw line feed in a text', '"a\nb"'],
  ['a byte order mark', '\ufeff{}'],
  ['a comment', '{} // none'],
  ['a leading zero', '01'],
  ['bytes that are not UTF-8', Buffer.from([0x22, 0xff, 0xfe, 0x22])],
  ['a cut-off character', Buffer.from([0x22, 0xe4, 0x22])],
  ['another encoding', Buffer.from('{"a": 1}', 'utf16le')],
];

test.each(BAD_JSON)('a body with %s is 400', async (_what, body) => {
  expectError(await worker.current.post('echo', body), 'ERR_BAD_JSON', /^the request body is not JSON: ./);
});

test.each(BAD_JSON)('a large body with %s is 400 as well', async (_what, body) => {
  const large = typeof body === 'string' ? pad(body) : Buffer.concat([Buffer.alloc(LARGE, ' '), body]);
  expectError(await worker.current.post('echo', large), 'ERR_BAD_JSON', /^the request body is not JSON: ./);
});

test.each([
  ['below what the worker checks', nested(10_000)],
  ['above it', nested(100_000)],
])('a body that is nested too deeply, %s, is 400, and the sandbox lives on', async (_where, body) => {
  await worker.current.result('echo', 1);
  const { id } = await worker.current.sandbox('echo');
  expectError(await worker.current.post('echo', body), 'ERR_BAD_JSON', /nested too deeply/);
  expect(await worker.current.result('echo', 2)).toBe(2);
  expect((await worker.current.sandbox('echo')).id).toBe(id);
});

test('a number with more digits than Python takes is 400', async () => {
  expectError(await worker.current.post('echo', '1'.repeat(10_000)), 'ERR_BAD_JSON');
});

test('bad JSON starts no sandbox', async () => {
  await worker.current.cluster.addFixture('echo', 'untouched');
  expectError(await worker.current.post('untouched', '{'), 'ERR_BAD_JSON');
  await expect(worker.current.sandbox('untouched')).rejects.toThrow('0 sandboxes');
});

test('a body of just the limit is taken', async () => {
  const text = 'x'.repeat(LIMIT - 2);
  expect(await worker.current.result('echo', text)).toBe(text);
});

test.each([
  1,
  10 * 1024 * 1024,
])('a body of the limit and %i bytes more is 413, also while it is still sent', async (more) => {
  const body = `"${'x'.repeat(LIMIT - 2 + more)}"`;
  // Again and again: whether the client reads the answer must not hang on who is quicker.
  for (let count = 0; count < 20; count++) {
    const answer = await worker.current.post('echo', body);
    expectError(answer, 'ERR_REQUEST_TOO_LARGE', /larger than 256 kB.*request_max_kb/);
  }
});

test('what is refused for its size is in the log, and counted', async () => {
  expectError(await worker.current.post('echo', `"${'x'.repeat(LIMIT)}"`), 'ERR_REQUEST_TOO_LARGE');
  expect(worker.current.log).toContainEqual(
    expect.objectContaining({ msg: 'request refused', code: 'ERR_REQUEST_TOO_LARGE' }),
  );
  const { body } = await worker.current.client.request('/metrics');
  expect(body).toMatch(/^openlambda_errors_total\{code="ERR_REQUEST_TOO_LARGE"\} [1-9]/m);
});

test('a body that only declares to be too large is refused before it comes', async () => {
  using connection = await RawConnection.open(worker.current.running.port);
  connection.sendHead(`POST /runLambda/echo HTTP/1.1\nHost: x\nContent-Length: ${LIMIT + 1}`);
  expectError(parseResponse(await connection.untilClosed()), 'ERR_REQUEST_TOO_LARGE');
});

test('a chunked body is counted as it comes', async () => {
  using connection = await RawConnection.open(worker.current.running.port);
  connection.sendHead('POST /runLambda/echo HTTP/1.1\nHost: x\nTransfer-Encoding: chunked');
  const chunk = `8000\r\n${'x'.repeat(0x8000)}\r\n`;
  for (let sent = 0; sent <= LIMIT; sent += 0x8000) connection.send(chunk);
  expectError(parseResponse(await connection.untilClosed()), 'ERR_REQUEST_TOO_LARGE');
});

test('a chunked body that fits is put together', async () => {
  using connection = await RawConnection.open(worker.current.running.port);
  connection.sendHead(
    'POST /runLambda/echo HTTP/1.1\nHost: x\nConnection: close\nTransfer-Encoding: chunked',
  );
  for (const part of ['[1', ', 2', ']']) connection.send(`${part.length}\r\n${part}\r\n`);
  connection.send('0\r\n\r\n');
  expect(parseResponse(await connection.untilClosed()).body).toBe('[1, 2]');
});

test('a client that asks first is told to go on', async () => {
  using connection = await RawConnection.open(worker.current.running.port);
  connection.sendHead(
    'POST /runLambda/echo HTTP/1.1\nHost: x\nContent-Length: 2\nExpect: 100-continue\nConnection: close',
  );
  await connection.until(/^HTTP\/1.1 100 Continue\r\n\r\n$/);
  connection.send('42');
  expect(await connection.untilClosed()).toMatch(/\r\n\r\nHTTP\/1.1 200 OK\r\n[\s\S]*\r\n\r\n42$/);
});

test('a client that asks first with too much is told so at once, and sends nothing', async () => {
  using connection = await RawConnection.open(worker.current.running.port);
  connection.sendHead(
    `POST /runLambda/echo HTTP/1.1\nHost: x\nContent-Length: ${LIMIT + 1}\nExpect: 100-continue`,
  );
  expectError(parseResponse(await connection.untilClosed()), 'ERR_REQUEST_TOO_LARGE');
});

test('a result of just the limit is sent, one byte more is 502', async () => {
  expect(await worker.current.result('size', LIMIT - 2)).toHaveLength(LIMIT - 2);
  const answer = await worker.current.call('size', LIMIT - 1);
  expectError(answer, 'ERR_RESPONSE_TOO_LARGE', /response of 'size' is larger than 256 kB.*response_max_kb/);
  expect(await worker.current.result('size', 3)).toBe('xxx');
});

test('a body that stops halfway is no invocation', async () => {
  const connection = await RawConnection.open(worker.current.running.port);
  connection.sendHead('POST /runLambda/never HTTP/1.1\nHost: x\nContent-Length: 10');
  connection.send('{"a"');
  connection[Symbol.dispose]();
  expect(await worker.current.result('echo', 1)).toBe(1);
  expect(worker.current.log.some((line) => line.function === 'never')).toBe(false);
});
