import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ERRORS } from '../../src/errors.ts';
import { leavesNothing } from '../helpers/leftovers.ts';
import { RawConnection } from '../helpers/raw-http.ts';
import { useStage } from './stage.ts';

leavesNothing();
const stage = useStage();

const RUNS = process.env.OL_HOSTILE === 'all' ? 5000 : 300;
/** What a client may be told: our own errors, and a victim that was called right. */
const STATUSES = new Set([100, 200, ...Object.values(ERRORS).map(({ status }) => status)]);
/** Nothing that a client sends is our own failure, or ends a sandbox. */
const OURS = /ERR_INTERNAL|ERR_SANDBOX|ERR_BAD_RESPONSE/;

const odd = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.constantFrom(
      '..',
      '/',
      '%2e',
      '%00',
      '\0',
      ' ',
      '\t',
      '\r',
      '\n',
      ':',
      ';',
      '"',
      '\x7f',
      'é',
      '\u{1f600}',
      ',',
    ),
  },
  { weight: 1, arbitrary: fc.string({ maxLength: 20, unit: 'binary' }) },
);
const method = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.constantFrom('POST', 'GET', 'OPTIONS', 'HEAD', 'PUT', 'CONNECT', 'TRACE', 'PRI', 'post'),
  },
  { weight: 1, arbitrary: odd },
);
const path = fc.oneof(
  fc.constantFrom(
    '/runLambda/victim',
    '/runLambda/gone',
    '/runLambda/',
    '/packages/victim',
    '/status',
    '/metrics',
    '/sandboxes',
    '*',
    '//',
    '/runLambda/../status',
    'http://x/status',
  ),
  fc
    .tuple(fc.constantFrom('/runLambda/', '/packages/', '/'), fc.array(odd, { maxLength: 4 }))
    .map(([start, parts]) => start + parts.join('')),
);
const header = fc.oneof(
  fc.constantFrom(
    'Host: x',
    'Content-Length: 3',
    'Content-Length: 0',
    'Content-Length: -1',
    'Content-Length: 9e9',
    'Transfer-Encoding: chunked',
    'Transfer-Encoding: gzip',
    'Connection: close',
    'Connection: upgrade',
    'Upgrade: h2c',
    'Expect: 100-continue',
    'Expect: nothing',
    'Content-Type: application/json',
    ' folded',
  ),
  fc.tuple(odd, odd).map(([name, value]) => `${name}: ${value}`),
);
const body = fc.oneof(
  fc.constantFrom(
    '',
    '123',
    '{}',
    '1\r\n1\r\n0\r\n\r\n',
    'ffffffffffffffff\r\n',
    '0\r\n\r\nGET /status HTTP/1.1\r\n\r\n',
    '[[[[',
  ),
  fc.string({ maxLength: 50 }),
);
const version = fc.constantFrom('HTTP/1.1', 'HTTP/1.0', 'HTTP/2.0', 'HTTP/9', '');
const end = fc.constantFrom('\r\n', '\n', '\r\n', '\r\n', '\r');

const request = fc
  .tuple(method, path, version, fc.array(header, { maxLength: 6 }), body, end)
  .map(([verb, to, how, headers, content, line]) =>
    [`${verb} ${to} ${how}`, ...headers, '', content].join(line),
  );

/** One request, or some in a row, cut into pieces. */
const sent = fc.tuple(
  fc.array(request, { minLength: 1, maxLength: 3 }),
  fc.array(fc.nat(400), { maxLength: 3 }),
);

test('whatever a client sends, it is answered with a status of ours or nothing, and nobody is harmed', async () => {
  await stage.current.beside('odd requests', async () => {
    await fc.assert(
      fc.asyncProperty(sent, async ([requests, cuts]) => {
        const answers = await answersTo(Buffer.from(requests.join('')), cuts);
        for (const [line, status] of answers.matchAll(/^HTTP\/1\.1 (\d+) /gm))
          expect([line, STATUSES.has(Number(status))]).toEqual([line, true]);
        expect(answers).not.toMatch(OURS);
        stage.current.canary.checkText(answers);
      }),
      { numRuns: RUNS },
    );
  });
});

async function answersTo(bytes: Buffer, cuts: readonly number[]): Promise<string> {
  using connection = await RawConnection.open(stage.current.worker.started.port);
  let at = 0;
  for (const cut of [...cuts.toSorted((a, b) => a - b), bytes.length]) {
    connection.send(bytes.subarray(at, Math.max(at, cut)));
    at = Math.max(at, cut);
    await new Promise(setImmediate);
  }
  // What waits for more ends when there is none.
  return await connection.untilClosedAfterEnd();
}
