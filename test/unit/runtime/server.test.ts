import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { afterEach, beforeEach, expect, test } from 'vitest';

const RUNTIME = join(import.meta.dirname, '../../../runtime/python');

let child: ChildProcess;
let socket: Duplex;
let text: string;
/** Called when something has come. */
let wake = (_?: unknown) => {};

beforeEach(() => {
  const peer = join(import.meta.dirname, 'server_peer.py');
  child = spawn('/usr/bin/python3', ['-I', '-B', peer, RUNTIME], {
    stdio: ['ignore', 'ignore', 'inherit', 'pipe'],
  });
  socket = child.stdio[3] as Duplex;
  text = '';
  socket.setEncoding('latin1').on('data', (chunk: string) => {
    text += chunk;
    wake();
  });
  socket.on('end', () => wake());
  socket.on('error', () => {});
});

afterEach(async () => {
  socket.destroy();
  if (child.exitCode === null) await once(child, 'exit');
});

/** All that has come, once it matches. */
async function until(pattern: RegExp): Promise<string> {
  while (!pattern.test(text)) {
    if (socket.readableEnded) throw new Error(`the connection ended: ${text.slice(0, 1000)}`);
    await new Promise((resolve) => {
      wake = resolve;
    });
  }
  return text;
}

const post = (body: string | Buffer, head = '') =>
  Buffer.concat([
    Buffer.from(`POST / HTTP/1.1\r\nHost: x\r\n${head}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n`),
    Buffer.from(body),
  ]);

test('an event is answered with a whole HTTP response', async () => {
  socket.write(post('[1, "ä"]'));
  const body = Buffer.from('[1, "ä"]').toString('latin1');
  expect((await until(/\]$/)).replace(/X-Took-Us: \d+/, 'X-Took-Us: n')).toBe(
    `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Took-Us: n\r\nContent-Length: 9\r\n\r\n${body}`,
  );
});

test('the id of a request comes back with its answer, whatever that is, and no other does', async () => {
  const ask = async (body: string, head: string) => {
    text = '';
    socket.write(post(body, head));
    return await until(/\r\n\r\n.+$/);
  };
  const loaded = /^HTTP\/1.1 200 OK\r\nContent-Type: [^\r]+\r\nX-Request-Id: 12\r\nX-Took-Us: /;
  expect(await ask('1', 'X-Request-Id: 12\r\n')).toMatch(loaded);
  expect(await ask('{', 'x-request-id: 34\r\n')).toMatch(/^HTTP\/1.1 400 [^{]+\r\nx-request-id: 34\r\n/);
  expect(await ask('2', 'X-Other-X-Request-Id: 5\r\n')).not.toMatch(/request-id/i);
  expect(await ask('3', '')).not.toMatch(/request-id/i);
});

test('a large event comes with its id', async () => {
  socket.write(post(JSON.stringify('x'.repeat(200_000)), 'X-Request-Id: 78\r\n'));
  expect(await until(/x"$/)).toMatch(/\r\nX-Request-Id: 78\r\n/);
});

test('requests on one connection are answered one after another', async () => {
  for (let count = 0; count < 5; count++) {
    text = '';
    socket.write(post(String(count)));
    expect(await until(/\r\n\r\n.+$/)).toMatch(new RegExp(`\\r\\n\\r\\n${count}$`));
  }
});

test('a request that comes byte by byte is put together', async () => {
  for (const byte of post('{"a": 1}')) {
    socket.write(Buffer.of(byte));
    await new Promise(setImmediate);
  }
  expect(await until(/\}$/)).toMatch(/\{"a": 1\}$/);
});

test('a large event is read whole', async () => {
  const event = JSON.stringify('x'.repeat(3_000_000));
  socket.write(post(event));
  expect((await until(/x"$/)).endsWith(event)).toBe(true);
});

test.each([
  'GET / HTTP/1.1\r\n\r\n',
  'POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n',
  'POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n',
])('%j has no body, which is an empty object', async (request) => {
  socket.write(request);
  expect(await until(/\}$/)).toMatch(/\r\n\r\n\{\}$/);
});

test('a header that only looks like the length is not it', async () => {
  socket.write(post('12', 'X-Content-Length: 1\r\n'));
  expect(await until(/\r\n\r\n.+$/)).toMatch(/\r\n\r\n12$/);
});

test('curl, which waits for leave to send a large body, gets it', async () => {
  socket.write('POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n');
  expect(await until(/\r\n\r\n$/)).toBe('HTTP/1.1 100 Continue\r\n\r\n');
  text = '';
  socket.write('42');
  expect(await until(/42$/)).toMatch(/^HTTP\/1.1 200 OK/);
});

test.each([
  '{',
  'NaN',
  '[Infinity]',
  '"\t"',
  Buffer.from([0xff]),
  '['.repeat(100_000),
])('an event that is no JSON is 400', async (body) => {
  socket.write(post(body));
  expect(await until(/\r\n\r\n.+$/)).toMatch(
    /^HTTP\/1.1 400 Bad Request\r\nContent-Type: text\/plain; charset=utf-8\r\n/,
  );
});

test('a header that does not end is the end of the connection', async () => {
  socket.write(`POST / HTTP/1.1\r\n${'X: y\r\n'.repeat(50_000)}`);
  await once(child, 'exit');
  expect([child.exitCode, text]).toEqual([0, '']);
});

test('the end of the connection in the middle of a body is its end', async () => {
  socket.end('POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nhalf');
  await once(child, 'exit');
  expect([child.exitCode, text]).toEqual([0, '']);
});
