import type { IncomingMessage, ServerResponse } from 'node:http';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { OlError } from '../../src/errors.ts';
import { send, TEXT_TYPE } from '../../src/worker/answers.ts';
import { HTTP_LIMITS, HttpServer } from '../../src/worker/server.ts';
import { leavesNothing } from '../helpers/leftovers.ts';
import { until } from '../helpers/poll.ts';
import { parseResponse, RawConnection } from '../helpers/raw-http.ts';

leavesNothing();

/** The worker's own server, with times that a test can wait for. */
const LIMITS = { ...HTTP_LIMITS, headersTimeoutMs: 200, requestTimeoutMs: 600, connectionsMax: 3 };

let server: HttpServer;
const broken: string[] = [];
let dropped = 0;

beforeEach(async () => {
  broken.length = 0;
  dropped = 0;
  const handlers = {
    request: (request: IncomingMessage, response: ServerResponse) => {
      request.resume();
      request.on('end', () => send(response, 200, TEXT_TYPE, 'here'));
    },
    checkContinue: () => true,
    broken: (error: OlError) => broken.push(error.code),
    dropped: () => {
      dropped++;
    },
  };
  server = await HttpServer.listen('127.0.0.1', 0, handlers, LIMITS);
});
afterEach(() => server.close());

test.each([
  ['a header that does not come to its end', 'GET / HTTP/1.1\r\nHost: x\r\n'],
  ['a body that does not come to its end', 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n123'],
])('%s is 408, and the connection is closed', async (_what, text) => {
  using connection = await RawConnection.open(server.port);
  connection.send(text);
  const answer = parseResponse(await connection.untilClosed());
  expect(answer.status).toBe(408);
  expect(JSON.parse(answer.body)).toMatchObject({ error: { code: 'ERR_REQUEST_TIMEOUT' } });
  expect(broken).toEqual(['ERR_REQUEST_TIMEOUT']);
});

test('a request that takes its time, and less than it may, is served', async () => {
  using connection = await RawConnection.open(server.port);
  connection.sendHead('POST / HTTP/1.1\nHost: x\nConnection: close\nContent-Length: 3');
  for (const part of ['1', '2', '3']) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    connection.send(part);
  }
  expect(parseResponse(await connection.untilClosed()).body).toBe('here');
});

test('a connection too many is closed and counted, and there is room again when another one ends', async () => {
  const held = [];
  for (let count = 0; count < LIMITS.connectionsMax; count++) {
    const connection = await RawConnection.open(server.port);
    connection.sendHead('GET / HTTP/1.1\nHost: x');
    await connection.until(/here$/);
    held.push(connection);
  }
  using refused = await RawConnection.open(server.port);
  expect(await refused.untilClosed()).toBe('');
  expect(dropped).toBe(1);
  for (const connection of held) connection[Symbol.dispose]();
  await until('room', async () => {
    using again = await RawConnection.open(server.port);
    again.sendHead('GET / HTTP/1.1\nHost: x\nConnection: close');
    return (await again.untilClosed()).endsWith('here');
  });
});
