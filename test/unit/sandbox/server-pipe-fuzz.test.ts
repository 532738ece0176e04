import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { connectUnix } from '../../../src/linux/sockets.ts';
import { parseAnswerHead } from '../../../src/sandbox/answer-head.ts';
import { PipeError } from '../../../src/sandbox/pipe-error.ts';
import { ServerPipe } from '../../../src/sandbox/server-pipe.ts';
import { useTempDir } from '../cluster/temp-dir.ts';

const temp = useTempDir();
const MAX = 1000;

const line = fc.oneof(
  fc.constantFrom(
    'HTTP/1.1 200 OK',
    'HTTP/1.1 500 Internal Server Error',
    'HTTP/1.1 204 No Content',
    'HTTP/1.0 200 OK',
    'Content-Type: text/plain',
    'Content-Length: 3',
    'Content-Length: 0',
    'content-length:5',
    'Content-Length: 1001',
    'Content-Length: -1',
    'Content-Length: 99999999999999999999',
    'Content-Length: 3, 3',
    'Transfer-Encoding: chunked',
    'X-Took-Us: 5',
    'X-Took-Us: 999999999999999',
    'X-Took-Us: x',
    'X-Loaded-Ns: 1',
    'X-Request-Id: 7777777a',
    'X-Request-Id: 7777777g',
    '',
  ),
  fc.string({ maxLength: 30, unit: 'binary' }),
);
/** Stands for the line with the id of the request. */
const ID = 'the id of the request';
/** Mostly what looks like an answer. */
const head = fc.oneof(
  fc
    .tuple(
      fc.constantFrom('HTTP/1.1 200 OK', 'HTTP/1.1 400 Bad Request'),
      fc.constantFrom([ID], [ID], []),
      fc.array(line, { maxLength: 6 }),
    )
    .map(([first, id, more]) => [first, ...id, ...more]),
  fc.array(line, { maxLength: 6 }),
  // As the runtime writes it.
  fc
    .tuple(
      fc.constantFrom('HTTP/1.1 200 OK', 'HTTP/1.1 500 '),
      fc.constantFrom('Content-Type: text/plain', 'Content-Type: '),
      fc.constantFrom(ID, 'X-Request-Id: 7777777a'),
      fc.constantFrom('X-Took-Us: 5', 'X-Took-Us: 999999999999999'),
      fc.constantFrom('Content-Length: 3', 'Content-Length: 0', 'Content-Length: 3 '),
    )
    .map((lines) => [...lines]),
);
const answer = fc
  .tuple(head, fc.constantFrom('\r\n', '\r\n', '\n'), fc.string({ maxLength: 12 }))
  .map(([lines, end, body]) => `${lines.join(end)}${end}${end}${body}`);
const cuts = fc.array(fc.nat(120), { maxLength: 4 });

test('whatever a sandbox answers is an answer of ours, whole and within the bounds, or the end of its connection', async () => {
  const server = createServer().listen(join(temp.dir, 'server_pipe'));
  await once(server, 'listening');
  await fc.assert(
    fc.asyncProperty(answer, cuts, async (text, at) => {
      const accepted = once(server, 'connection');
      const pipe = new ServerPipe(connectUnix(join(temp.dir, 'server_pipe')));
      const [peer] = await accepted;
      peer.on('error', () => {});
      const result = pipe.exchange({ body: Buffer.from('{}'), timeoutMs: 60_000, responseMaxBytes: MAX });
      const outcome = result.then(
        (response) => response,
        (error: unknown) => error,
      );
      const [request] = await once(peer, 'data');
      const id = /X-Request-Id: [0-9a-f]+/.exec(String(request))?.[0] ?? '';
      const bytes = Buffer.from(text.replaceAll(ID, id));
      for (const part of piecesOf(bytes, at)) {
        peer.write(part);
        await new Promise(setImmediate);
      }
      peer.end();
      check(await outcome, bytes.toString('latin1'), id);
      pipe.close();
      await pipe.closed;
      peer.destroy();
    }),
    { numRuns: 400 },
  );
  server.close();
  await once(server, 'close');
});

function* piecesOf(bytes: Buffer, cuts: readonly number[]): Generator<Buffer> {
  let from = 0;
  for (const cut of [...cuts.filter((at) => at < bytes.length).toSorted((a, b) => a - b), bytes.length]) {
    if (cut > from) yield bytes.subarray(from, cut);
    from = Math.max(from, cut);
  }
}

function check(outcome: unknown, sent: string, id: string): void {
  if (outcome instanceof PipeError) {
    expect(['closed', 'unread', 'too-large', 'protocol']).toContain(outcome.failure);
    return;
  }
  const { status, body, tookMs } = outcome as { status: number; body: Buffer; tookMs: number | null };
  expect([200, 400, 500]).toContain(status);
  expect(body.length).toBeLessThanOrEqual(MAX);
  // The body is what followed the head, byte for byte, as long as some line of that said.
  const at = sent.indexOf('\r\n\r\n') + 4;
  expect(sent.slice(at, at + body.length)).toBe(body.toString('latin1'));
  expect(sent.slice(0, at).toLowerCase()).toMatch(
    new RegExp(`content-length:[ \\t]*0*${body.length}[ \\t]*\\r`),
  );
  expect(sent.slice(0, at).toLowerCase()).toContain(id.toLowerCase());
  expect(tookMs === null || tookMs >= 0).toBe(true);
}

test('the quick way to read a head and the other one say the same of it', () => {
  fc.assert(
    fc.property(head, (lines) => {
      const text = lines.join('\r\n');
      const [first, later] = [parseAnswerHead(text, true), parseAnswerHead(text, false)];
      expect(first === null).toBe(later === null);
      if (first === null || later === null) return;
      expect({ ...later, loadedAt: null }).toEqual({ ...first, loadedAt: null });
    }),
    { numRuns: 2000 },
  );
});
