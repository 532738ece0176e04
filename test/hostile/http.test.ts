import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { leavesNothing } from '../helpers/leftovers.ts';
import { parseResponse, RawConnection } from '../helpers/raw-http.ts';
import { slow } from './all.ts';
import { IN_TIME_MS } from './attack.ts';
import { useStage } from './stage.ts';

leavesNothing();
const stage = useStage();

const LIMIT = 64 * 1024;
const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);
const POST = 'POST /runLambda/victim HTTP/1.1\r\nHost: x\r\n';

const open = () => RawConnection.open(stage.current.worker.started.port);
const withBody = (body: string) =>
  `${POST}Connection: close\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;

/** What all that is sent comes to: a status and a code, or a number as the result; in time. */
async function expectRefused(sent: string, status: number, code: string): Promise<void> {
  const since = performance.now();
  using connection = await open();
  connection.send(sent);
  const answer = parseResponse(await connection.untilClosed());
  expect([answer.status, JSON.parse(answer.body).error.code]).toEqual([status, code]);
  expect(performance.now() - since).toBeLessThan(IN_TIME_MS);
  stage.current.canary.checkText(answer.body);
}

type Sent = readonly [sent: string, status: number, code: string];

/** All at once beside the victim, each refused as documented. */
const REFUSED: Readonly<Record<string, readonly Sent[]>> = {
  'an oversized body': [
    [`${POST}Content-Length: ${LIMIT + 1}\r\n\r\n`, 413, 'ERR_REQUEST_TOO_LARGE'],
    [`${POST}Content-Length: 99999999999999999999\r\n\r\n`, 400, 'ERR_BAD_REQUEST'],
    [withBody('x'.repeat(10 * LIMIT)), 413, 'ERR_REQUEST_TOO_LARGE'],
    [
      `${POST}Transfer-Encoding: chunked\r\n\r\n${`4000\r\n${'x'.repeat(0x4000)}\r\n`.repeat(40)}`,
      413,
      'ERR_REQUEST_TOO_LARGE',
    ],
    [`${POST}Expect: 100-continue\r\nContent-Length: ${LIMIT + 1}\r\n\r\n`, 413, 'ERR_REQUEST_TOO_LARGE'],
  ],
  'an oversized header': [
    [`${POST}X: ${'x'.repeat(20_000)}\r\n\r\n`, 431, 'ERR_HEADER_TOO_LARGE'],
    [`${POST}${'X: y\r\n'.repeat(5000)}\r\n`, 431, 'ERR_HEADER_TOO_LARGE'],
    [`${POST}${'x'.repeat(20_000)}: y\r\n\r\n`, 431, 'ERR_HEADER_TOO_LARGE'],
    [`POST /runLambda/${'x'.repeat(20_000)} HTTP/1.1\r\n\r\n`, 431, 'ERR_HEADER_TOO_LARGE'],
    [
      `${POST}Transfer-Encoding: chunked\r\n\r\n0\r\n${'X: y\r\n'.repeat(5000)}\r\n`,
      431,
      'ERR_HEADER_TOO_LARGE',
    ],
    [`${POST}Transfer-Encoding: chunked\r\n\r\n1;${'x'.repeat(40_000)}\r\n`, 400, 'ERR_BAD_REQUEST'],
  ],
  'two lengths, or a length and chunks': [
    [`${POST}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, 400, 'ERR_BAD_REQUEST'],
    [`${POST}Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n0\r\n\r\n`, 400, 'ERR_BAD_REQUEST'],
    [`${POST}Content-Length: 1\r\nContent-Length: 2\r\n\r\n12`, 400, 'ERR_BAD_REQUEST'],
    [`${POST}Content-Length: 1, 2\r\n\r\n12`, 400, 'ERR_BAD_REQUEST'],
    [`${POST}Content-Length: +1\r\n\r\n1`, 400, 'ERR_BAD_REQUEST'],
    [`${POST}Content-Length : 1\r\n\r\n1`, 400, 'ERR_BAD_REQUEST'],
    [`${POST}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n`, 400, 'ERR_BAD_REQUEST'],
    [`${POST}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n`, 400, 'ERR_BAD_REQUEST'],
    [`${POST}Transfer-Encoding: chunked\r\n\r\n0x1\r\n1\r\n0\r\n\r\n`, 400, 'ERR_BAD_REQUEST'],
    [`${POST}X: y\n\r\nContent-Length: 1\r\n\r\n1`, 400, 'ERR_BAD_REQUEST'],
    [`${POST} folded: 1\r\n\r\n`, 400, 'ERR_BAD_REQUEST'],
  ],
  'names that are none': [
    '..',
    '../registry',
    '%2e%2e',
    '%2e%2e%2fvictim',
    '..%2f..%2f..%2fetc%2fpasswd',
    'victim%00',
    'victim%2f..%2fvictim',
    'victim/../../etc',
    '/victim',
    'victim/',
    '',
    '.',
    '.hidden',
    'vict%69m',
    'victim;x',
    'n'.repeat(65),
    'n'.repeat(8000),
    '%ff%fe',
  ].map(
    (name): Sent => [
      `POST /runLambda/${name} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
      400,
      'ERR_BAD_NAME',
    ],
  ),
  'a NUL and other bytes in the path': [
    ['POST /runLambda/vic\0tim HTTP/1.1\r\n\r\n', 400, 'ERR_BAD_REQUEST'],
    ['POST /runLambda/vic tim HTTP/1.1\r\n\r\n', 400, 'ERR_BAD_REQUEST'],
    ['POST /runLambda/vic\rtim HTTP/1.1\r\n\r\n', 400, 'ERR_BAD_REQUEST'],
    ['\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03', 400, 'ERR_BAD_REQUEST'],
  ],
  'what is no JSON, nested too deeply, or a number too long': [
    '{"a": ',
    'NaN',
    '\ufeff{}',
    '"\ud800',
    nested(10_000),
    nested(32_000),
    '{"a":'.repeat(10_000),
    '9'.repeat(10_000),
    `-${'9'.repeat(60_000)}`,
  ].map((body): Sent => [withBody(body), 400, 'ERR_BAD_JSON']),
};

test.each(Object.entries(REFUSED))('%s: refused as documented, and nobody is harmed', async (title, all) => {
  await stage.current.beside(title, async () => {
    await Promise.all(all.map(([sent, status, code]) => expectRefused(sent, status, code)));
  });
});

test('huge numbers that JSON has are a function’s to read, and harm nobody', async () => {
  await stage.current.beside('huge numbers', async () => {
    for (const body of ['1e400', '-1e999999', '1e-999999', '1'.repeat(4000), `0.${'1'.repeat(60_000)}`]) {
      using connection = await open();
      connection.send(withBody(body));
      expect([200, 400, 500]).toContain(parseResponse(await connection.untilClosed()).status);
    }
  });
});

/** How far a client gets before it goes away. */
const STAGES: Readonly<Record<string, string>> = {
  'when it has connected': '',
  'in the first line': 'POST /runL',
  'in the header': `${POST}X-Half: `,
  'after the header': `${POST}Content-Length: 10\r\n\r\n`,
  'in the body': `${POST}Content-Length: 10\r\n\r\n{"a"`,
  'in a chunk': `${POST}Transfer-Encoding: chunked\r\n\r\n5\r\n{"a`,
  'when all is sent': `${POST}Content-Length: 1\r\n\r\n1`,
  'before it sends what it was asked for': `${POST}Expect: 100-continue\r\nContent-Length: 10\r\n\r\n`,
  'while the function runs': 'POST /runLambda/attacker HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}',
  'while others of it wait': `${`POST /runLambda/attacker HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}`.repeat(20)}`,
};

test('clients that go away at any stage leave nothing behind', async () => {
  await stage.current.addProgram('ignore_signals');
  await stage.current.beside('clients that go away', async () => {
    for (const sent of Object.values(STAGES)) {
      for (const afterMs of [0, 0, 5, 20]) {
        using connection = await open();
        connection.send(sent);
        await sleep(afterMs);
      }
    }
  });
});

test('slow headers and slow bodies hold nobody up, many at once', async () => {
  await stage.current.beside('slow clients', async () => {
    using all = new DisposableStack();
    const connections = await Promise.all(Array.from({ length: 300 }, open));
    for (const connection of connections) all.use(connection);
    const [first, second] = [POST, `${POST}Content-Length: 1000\r\n\r\n`];
    for (const [index, connection] of connections.entries()) connection.send(index % 2 ? first : second);
    for (let round = 0; round < 20; round++) {
      for (const [index, connection] of connections.entries()) connection.send(index % 2 ? 'X' : '1');
      await sleep(50);
    }
  });
});

test('slow headers and slow bodies are ended when their time is over', async ({ skip }) => {
  slow(skip);
  await stage.current.beside('slow clients to their end', async () => {
    const answers = await Promise.all(
      [POST, `${POST}Content-Length: 1000\r\n\r\n`].map(async (begin) => {
        using connection = await open();
        connection.send(begin);
        const trickle = setInterval(() => connection.send('X'), 500);
        const text = await connection.untilClosed();
        clearInterval(trickle);
        return parseResponse(text);
      }),
    );
    for (const { status, body } of answers)
      expect([status, JSON.parse(body).error.code]).toEqual([408, 'ERR_REQUEST_TIMEOUT']);
  });
});
