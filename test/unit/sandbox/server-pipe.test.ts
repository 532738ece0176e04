import { once } from 'node:events';
import { closeSync, readSync, writeSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { connectUnix, streamPair } from '../../../src/linux/sockets.ts';
import type { SandboxRequest } from '../../../src/sandbox/sandbox.ts';
import { ServerPipe } from '../../../src/sandbox/server-pipe.ts';
import { useTempDir } from '../cluster/temp-dir.ts';

const temp = useTempDir();
const REQUEST: SandboxRequest = { body: Buffer.from('{"a": 1}'), timeoutMs: 10_000, responseMaxBytes: 100 };

let server: Server;
let peer: Socket;
let pipe: ServerPipe;

beforeEach(async () => {
  server = createServer().listen(join(temp.dir, 'server_pipe'));
  await once(server, 'listening');
  const accepted = once(server, 'connection');
  pipe = new ServerPipe(connectUnix(join(temp.dir, 'server_pipe')));
  [peer] = await accepted;
  peer.on('error', () => {});
});

afterEach(async () => {
  pipe.close();
  peer.destroy();
  server.close();
  await once(server, 'close');
});

/** Waits for a whole request, and returns it. */
async function received(): Promise<string> {
  let text = '';
  while (!text.includes('\r\n\r\n{"a": 1}')) text += (await once(peer, 'data'))[0];
  return text;
}

/** Stands for the line with the id of the request, which an answer has to give back. */
const ID = 'X-Request-Id: that of the request\r\n';

const ok = (body: string, head = '') =>
  `HTTP/1.1 200 OK\r\n${ID}${head}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;

const idLine = (request: string) => /X-Request-Id: [0-9a-f]{8}\r\n/.exec(request)?.[0] ?? 'no id';

/** Waits for a whole request, and returns an answer to it. */
async function answerTo(answer: string): Promise<string> {
  return answer.replaceAll(ID, idLine(await received()));
}

/** An exchange in which the peer answers with these bytes when it has the request. */
async function exchange(answer: string, request: Partial<SandboxRequest> = {}) {
  const result = pipe.exchange({ ...REQUEST, ...request });
  result.catch(() => {});
  peer.write(await answerTo(answer));
  return await result;
}

test('the request is a POST with its id and length, and the response is status and body', async () => {
  const result = pipe.exchange(REQUEST);
  const request = await received();
  expect(request.replace(/[0-9a-f]{8}(?=\r\nC)/, 'id')).toBe(
    'POST / HTTP/1.1\r\nHost: sandbox\r\nX-Request-Id: id\r\nContent-Length: 8\r\n\r\n{"a": 1}',
  );
  peer.write(ok('"ä"').replace(ID, idLine(request)));
  const { status, body } = await result;
  expect([status, body.toString()]).toEqual([200, '"ä"']);
});

test('how long the call took is told by each answer, when the code was loaded by the first one alone', async () => {
  const head = `X-Loaded-Ns: ${process.hrtime.bigint()}\r\nX-Took-Us: 1500\r\n`;
  const first = await exchange(ok('1', head));
  expect(first.tookMs).toBe(1.5);
  expect(Math.abs((first.loadedAt ?? 0) - performance.now())).toBeLessThan(10_000);
  expect(await exchange(ok('2', head))).toMatchObject({ tookMs: 1.5, loadedAt: null });
  expect(await exchange(ok('3'))).toMatchObject({ tookMs: null, loadedAt: null });
});

test('a request is unread until the sandbox reads it', async () => {
  expect(pipe.isUnread()).toBe(false);
  const result = pipe.exchange(REQUEST);
  expect(pipe.isUnread()).toBe(true);
  const answer = await answerTo(ok('1'));
  expect(pipe.isUnread()).toBe(false);
  peer.write(answer);
  await result;
  expect(pipe.isUnread()).toBe(false);
});

test('one exchange after another goes over the same connection', async () => {
  for (let count = 0; count < 20; count++)
    expect((await exchange(ok(String(count)))).body.toString()).toBe(String(count));
});

test.each([200, 400, 500])('the status %i is passed on', async (status) => {
  const { status: got } = await exchange(`HTTP/1.1 ${status} Any Reason\r\n${ID}Content-Length: 0\r\n\r\n`);
  expect(got).toBe(status);
});

test('names of header fields are read whatever their case, and others are ignored', async () => {
  const { body } = await exchange(
    `HTTP/1.1 200 OK\r\nX-Content-Length: 9\r\ncontent-LENGTH:\t2 \r\nZ: 1\r\n${ID}\r\nok`,
  );
  expect(body.toString()).toBe('ok');
});

test('an answer that comes byte by byte is put together', async () => {
  const result = pipe.exchange(REQUEST);
  for (const byte of Buffer.from(await answerTo(ok('{"slow": true}')))) {
    peer.write(Buffer.of(byte));
    await new Promise(setImmediate);
  }
  expect((await result).body.toString()).toBe('{"slow": true}');
});

test.each([
  ['another status', `HTTP/1.1 204 No Content\r\n${ID}Content-Length: 0\r\n\r\n`],
  ['a redirect', `HTTP/1.1 302 Found\r\n${ID}Location: http://example.com/\r\nContent-Length: 0\r\n\r\n`],
  ['a continue', 'HTTP/1.1 100 Continue\r\n\r\n'],
  ['an older version', `HTTP/1.0 200 OK\r\n${ID}Content-Length: 0\r\n\r\n`],
  ['no length', `HTTP/1.1 200 OK\r\n${ID}\r\n`],
  ['chunks', `HTTP/1.1 200 OK\r\n${ID}Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n`],
  ['a negative length', `HTTP/1.1 200 OK\r\n${ID}Content-Length: -1\r\n\r\n`],
  ['a length that is no number', `HTTP/1.1 200 OK\r\n${ID}Content-Length: 0x10\r\n\r\n`],
  ['two lengths in one', `HTTP/1.1 200 OK\r\n${ID}Content-Length: 1, 1\r\n\r\nx`],
  ['a length beyond all numbers', `HTTP/1.1 200 OK\r\n${ID}Content-Length: ${'9'.repeat(40)}\r\n\r\n`],
  ['a line feed before the status', `\nHTTP/1.1 200 OK\r\n${ID}Content-Length: 0\r\n\r\n`],
  ['rubbish', '\0\xff\xfe\r\n\r\n'],
  ['no id', 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'],
  ['an id that is not that of the request', ok('x').replace(ID, 'X-Request-Id: 0123456789\r\n')],
  ['an id with something behind it', ok('x').replace('request\r', 'request, 1\r')],
  ['more than the answer', `${ok('one')}x`],
  ['two answers at once', ok('one') + ok('two')],
  ['a header without end', `HTTP/1.1 200 OK\r\n${ID}${'X: y\r\n'.repeat(10_000)}`],
])('%s breaks the protocol', async (_what, answer) => {
  await expect(exchange(answer)).rejects.toMatchObject({ name: 'PipeError', failure: 'protocol' });
  await expect(pipe.exchange(REQUEST)).rejects.toMatchObject({ failure: 'unread' });
});

test('a second answer that comes later ends the connection, and the first one counts', async () => {
  expect((await exchange(ok('one'))).body.toString()).toBe('one');
  peer.write(ok('two'));
  await once(peer, 'close');
  await expect(pipe.exchange(REQUEST)).rejects.toMatchObject({ failure: 'unread' });
});

test('an answer before the question ends the connection', async () => {
  peer.write(ok('guess'));
  await once(peer, 'close');
  await expect(pipe.exchange(REQUEST)).rejects.toMatchObject({ failure: 'unread' });
});

test('an answer to another request ends the connection, whether this one has been read or not', async () => {
  for (const isRead of [false, true]) {
    const [ours, theirs] = streamPair();
    const own = new ServerPipe(ours);
    const request = () => {
      const buffer = Buffer.alloc(4096);
      return buffer.toString('latin1', 0, readSync(theirs, buffer));
    };
    const first = own.exchange(REQUEST);
    const answer = ok('one').replace(ID, idLine(request()));
    writeSync(theirs, answer);
    expect((await first).body.toString()).toBe('one');
    const second = own.exchange(REQUEST);
    if (isRead) request();
    writeSync(theirs, answer);
    await expect(second).rejects.toMatchObject({ failure: 'protocol' });
    closeSync(theirs);
    await own.closed;
  }
});

test('no two requests have the same id, of as many as are drawn at once and more', async () => {
  const ids = new Set<string>();
  for (let count = 0; count < 1100; count++) {
    const result = pipe.exchange(REQUEST);
    const line = idLine(await received());
    ids.add(line);
    peer.write(ok('1').replace(ID, line));
    await result;
  }
  // Of so many numbers of 32 bits, two are the same once in seven thousand times; more never are.
  expect(ids.size).toBeGreaterThan(1098);
});

test('an announced length over the limit ends it before any of the body has come', async () => {
  expect((await exchange(ok('x'.repeat(100)))).body).toHaveLength(100);
  await expect(exchange(`HTTP/1.1 200 OK\r\n${ID}Content-Length: 101\r\n\r\n`)).rejects.toMatchObject({
    failure: 'too-large',
  });
  await once(peer, 'close');
});

test.each([
  ['nothing', ''],
  ['half a header', 'HTTP/1.1 200 OK\r\nContent-'],
  ['half a body', `HTTP/1.1 200 OK\r\n${ID}Content-Length: 10\r\n\r\nhalf`],
])('a peer that sends %s and no more is `timeout`', async (_what, answer) => {
  await expect(exchange(answer, { timeoutMs: 50 })).rejects.toMatchObject({ failure: 'timeout' });
  await expect(pipe.exchange(REQUEST)).rejects.toMatchObject({ failure: 'unread' });
});

test.each([
  '',
  `HTTP/1.1 200 OK\r\n${ID}Content-Length: 10\r\n\r\nhalf`,
])('a peer that read the request, sent %j and closed is `closed`: its handler may have run', async (answer) => {
  const result = pipe.exchange(REQUEST);
  result.catch(() => {});
  peer.end(await answerTo(answer));
  await expect(result).rejects.toMatchObject({ failure: 'closed' });
});

test('a peer that closes without having read is `unread`: no handler has run', async () => {
  peer.pause();
  const result = pipe.exchange(REQUEST);
  result.catch(() => {});
  await new Promise(setImmediate);
  peer.destroy();
  await expect(result).rejects.toMatchObject({ failure: 'unread' });
});

test.each([
  0, 1, 2, 3, 4, 5,
])('a peer that has closed, %i turns ago, is `unread`, however much of that is known', async (turns) => {
  await exchange(ok('before'));
  peer.destroy();
  for (let turn = 0; turn < turns; turn++) await new Promise(setImmediate);
  await expect(pipe.exchange(REQUEST)).rejects.toMatchObject({ failure: 'unread' });
});

test('a second exchange before the first is answered throws, and the first goes on', async () => {
  const first = pipe.exchange(REQUEST);
  expect(() => pipe.exchange(REQUEST)).toThrow(/two requests at once/);
  peer.write(await answerTo(ok('first')));
  expect((await first).body.toString()).toBe('first');
});

test('closing it ends what is under way, and may be done again', async () => {
  const result = pipe.exchange(REQUEST);
  pipe.close();
  pipe.close();
  await expect(result).rejects.toMatchObject({ failure: 'closed' });
});

test('a large request reaches a peer that reads slowly', async () => {
  const body = Buffer.alloc(5_000_000, 'x');
  const result = pipe.exchange({ ...REQUEST, body });
  let length = 0;
  for await (const chunk of peer) {
    length += chunk.length;
    if (length > body.length) break;
  }
  expect(length).toBeGreaterThan(body.length);
  await expect(result).rejects.toMatchObject({ failure: expect.stringMatching(/closed|unread/) });
});

test('whether it is unread can be asked at any time, also while the connection closes', async () => {
  for (let round = 0; round < 20; round++) {
    const [ours, theirs] = streamPair();
    const own = new ServerPipe(ours);
    const answer = own.exchange(REQUEST);
    const failed = answer.catch((error: unknown) => error);
    let isClosed = false;
    void own.closed.then(() => {
      isClosed = true;
    });
    // It has read all of it, and then it goes.
    readSync(theirs, Buffer.alloc(4096));
    closeSync(theirs);
    for (; !isClosed; await new Promise((resolve) => setImmediate(resolve))) own.isUnread();
    expect(await failed).toMatchObject({ failure: 'closed' });
  }
});
