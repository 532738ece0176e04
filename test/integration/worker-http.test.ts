import { networkInterfaces } from 'node:os';
import { expect, test } from 'vitest';
import { WorkerClient } from '../../src/client/worker-client.ts';
import { expectError } from '../helpers/errors.ts';
import { leavesNothing } from '../helpers/leftovers.ts';
import { parseResponse, RawConnection } from '../helpers/raw-http.ts';
import { useWorker } from '../helpers/worker.ts';

leavesNothing();
const worker = useWorker(['hello', 'echo', 'sleep']);

const CORS = {
  'access-control-allow-origin': '*',
  'access-control-allow-methods': 'GET, PUT, POST, DELETE, OPTIONS',
  'access-control-allow-headers':
    'Content-Type, Content-Range, Content-Disposition, Content-Description, X-Requested-With',
};

test('`hello` greets Alice, as curl posts it', async () => {
  const headers = { 'content-type': 'application/x-www-form-urlencoded' };
  const { status, body } = await worker.current.post('hello', '{"name": "Alice"}', headers);
  expect([status, body]).toEqual([200, '"Hello, Alice!"']);
});

test('an empty body is an empty object, and so is one of white space', async () => {
  for (const body of ['', ' \r\n\t']) expect((await worker.current.post('echo', body)).body).toBe('{}');
});

test.each([
  null,
  true,
  0,
  -1.5e300,
  '',
  'text',
  [],
  [1, [2]],
  {},
  { a: { b: null } },
  12345678901234567890n,
])('the event %s comes back as it is', async (event) => {
  const body = typeof event === 'bigint' ? String(event) : JSON.stringify(event);
  const answer = await worker.current.post('echo', body);
  expect([answer.status, answer.body.replaceAll(' ', '')]).toEqual([200, body]);
});

test('UTF-8 goes in and comes out, also beyond the first plane and escaped', async () => {
  const { headers, body } = await worker.current.post(
    'echo',
    '{"ä\\u00df": "日本 😀 \\ud83d\\ude00 \\u0000"}',
  );
  expect(JSON.parse(body)).toEqual({ äß: '日本 😀 😀 \0' });
  expect(body).toContain('日本 😀');
  expect(headers['content-type']).toBe('application/json');
  expect(headers['content-length']).toBe(String(Buffer.byteLength(body)));
});

test('half of a surrogate pair survives, as the escape that it has to be', async () => {
  expect((await worker.current.post('echo', '"\\ud800"')).body).toBe('"\\ud800"');
});

test('the first call of a sandbox is told as a cold start, the next ones as warm', async () => {
  await worker.current.cluster.addFixture('echo', 'fresh');
  const starts = [];
  for (let count = 0; count < 3; count++) {
    starts.push((await worker.current.call('fresh', 1)).headers['x-openlambda-start']);
  }
  expect(starts).toEqual(['cold', 'warm', 'warm']);
});

test('every answer has the CORS headers, and OPTIONS is answered anywhere', async () => {
  const { client } = worker.current;
  const answers = [
    await worker.current.call('echo', 1),
    await worker.current.call('none', 1),
    await client.request('/status'),
    await client.request('/nowhere'),
    await client.request('/runLambda/echo'),
  ];
  for (const { headers } of answers) expect(headers).toMatchObject(CORS);
  for (const path of ['/runLambda/echo', '/runLambda/none', '/status', '/nowhere']) {
    const { status, headers, body } = await client.request(path, { method: 'OPTIONS' });
    expect({ status, body }).toEqual({ status: 200, body: '' });
    expect(headers).toMatchObject(CORS);
  }
});

test('/status says that the worker is ready', async () => {
  const { status, headers, body } = await worker.current.client.request('/status');
  expect([status, body, headers['content-type']]).toEqual([200, 'ready\n', 'text/plain; charset=utf-8']);
});

test('HEAD has the headers of GET and no body', async () => {
  const { client } = worker.current;
  const [get, head] = [await client.request('/status'), await client.request('/status', { method: 'HEAD' })];
  expect(head.status).toBe(200);
  expect(head.body).toBe('');
  expect(head.headers['content-length']).toBe(get.headers['content-length']);
});

test('a query is no part of the name', async () => {
  const options = { method: 'POST', body: '1' };
  expect((await worker.current.client.request('/runLambda/echo?x=/../y', options)).body).toBe('1');
  expect((await worker.current.client.request('/status?verbose')).body).toBe('ready\n');
});

test('a function that is not there is 404, and the message says where its code goes', async () => {
  const { cluster } = worker.current;
  expectError(
    await worker.current.call('nothing', {}),
    'ERR_NO_FUNCTION',
    new RegExp(`${cluster.paths.registry}/nothing`),
  );
});

test.each([
  '/',
  '/runlambda/echo',
  '/runLambda',
  '/Status',
  '/status/',
  '/constructor',
  '/__proto__',
  `/${'x'.repeat(200)}`,
])('there is nothing at %s', async (path) => {
  expectError(await worker.current.client.request(path), 'ERR_NO_ROUTE', /\/runLambda\/<name>/);
});

test.each([
  'GET',
  'HEAD',
  'PUT',
  'DELETE',
  'PATCH',
])('%s of a function is refused, and Allow says what works', async (method) => {
  const answer = await worker.current.client.request('/runLambda/echo', { method });
  expect([answer.status, answer.headers.allow]).toEqual([405, 'POST, OPTIONS']);
  if (method !== 'HEAD') expectError(answer, 'ERR_BAD_METHOD', new RegExp(method));
});

test.each(['POST', 'PUT', 'DELETE'])('%s of /status is refused', async (method) => {
  const answer = await worker.current.client.request('/status', { method });
  expectError(answer, 'ERR_BAD_METHOD');
  expect(answer.headers.allow).toBe('GET, HEAD, OPTIONS');
});

const GOOD_NAMES = ['a', 'A-b_c.d', '0', '-', '_', 'a..b', 'a.', 'x'.repeat(64)];
const BAD_NAMES = [
  '',
  '.',
  '..',
  '.hidden',
  '...',
  'a/b',
  'echo/',
  '/echo',
  '../echo',
  'a%2fb',
  '%2e%2e',
  '%2e%2e%2fetc',
  'a%00b',
  'a%20b',
  'a+b',
  '%C3%A4',
  'a:b',
  'a\\b',
  'a~',
  '%',
  'x'.repeat(65),
  'x'.repeat(300),
];

test.each(GOOD_NAMES)("'%s' can be a function's name", async (name) => {
  await worker.current.cluster.addFixture('echo', name);
  expect(await worker.current.result(name, { name })).toEqual({ name });
});

// Byte by byte as it stands: a client that resolves `..` by itself would hide what the worker makes of it.
test.each(BAD_NAMES)("'%s' is no function's name", async (name) => {
  using connection = await RawConnection.open(worker.current.running.port);
  connection.sendHead(`POST /runLambda/${name} HTTP/1.1\nHost: x\nContent-Length: 0\nConnection: close`);
  expectError(parseResponse(await connection.untilClosed()), 'ERR_BAD_NAME');
});

test('it listens on loopback, IPv4 and IPv6, and nowhere else', async () => {
  const { port } = worker.current.running;
  const addresses = Object.values(networkInterfaces()).flatMap((all) => all ?? []);
  for (const { address, internal, scopeid } of addresses) {
    if (!internal && scopeid) continue; // a link-local address would need its interface beside it
    const host = address.includes(':') ? `[${address}]` : address;
    const client = new WorkerClient(`http://${host}:${port}`);
    const answer = client.status();
    if (internal) expect(await answer).toMatchObject({ text: 'ready' });
    else await expect(answer).rejects.toMatchObject({ code: 'ERR_NO_ANSWER', message: /ECONNREFUSED/ });
    client.close();
  }
  expect(worker.current.running.urls).toEqual([`http://localhost:${port}`]);
});

test('a connection is kept, and serves one request after another', async () => {
  using connection = await RawConnection.open(worker.current.running.port);
  for (let count = 1; count <= 3; count++) {
    connection.sendHead(`POST /runLambda/echo HTTP/1.1\nHost: x\nContent-Length: 1`);
    connection.send(String(count));
    await connection.until(new RegExp(`\\r\\n\\r\\n${count}$`));
  }
});

test('pipelined requests are answered in their order, though the first takes longest', async () => {
  using connection = await RawConnection.open(worker.current.running.port);
  for (const ms of [200, 50, 0]) {
    const body = JSON.stringify({ ms, value: `slept ${ms}` });
    connection.sendHead(`POST /runLambda/sleep HTTP/1.1\nHost: x\nContent-Length: ${body.length}`);
    connection.send(body);
  }
  connection.sendHead('GET /status HTTP/1.1\nHost: x\nConnection: close');
  const all = await connection.untilClosed();
  expect(all.match(/"slept \d+"|ready/g)).toEqual(['"slept 200"', '"slept 50"', '"slept 0"', 'ready']);
});

test('a request in many small pieces is put together', async () => {
  using connection = await RawConnection.open(worker.current.running.port);
  const text =
    'POST /runLambda/echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 11\r\n\r\n{"a": "ä"}';
  for (const byte of Buffer.from(text)) {
    connection.send(Buffer.of(byte));
    await new Promise(setImmediate);
  }
  expect(await connection.untilClosed()).toMatch(/\r\n\r\n\{"a": "ä"\}$/);
});

test('what is no HTTP is answered 400 and cut off, and the worker goes on', async () => {
  using connection = await RawConnection.open(worker.current.running.port);
  connection.send('\x16\x03\x01 this is not HTTP\r\n\r\n');
  expect(await connection.untilClosed()).toMatch(/^HTTP\/1.1 400 /);
  expect(await worker.current.result('echo', 1)).toBe(1);
});

test('a client that goes away while it waits takes nothing with it', async () => {
  const connection = await RawConnection.open(worker.current.running.port);
  connection.sendHead('POST /runLambda/sleep HTTP/1.1\nHost: x\nContent-Length: 11');
  connection.send('{"ms": 100}');
  connection[Symbol.dispose]();
  expect(await worker.current.result('sleep', { ms: 0, value: 'still here' })).toBe('still here');
});
