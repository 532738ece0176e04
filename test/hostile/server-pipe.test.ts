import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { leavesNothing } from '../helpers/leftovers.ts';
import { until } from '../helpers/poll.ts';
import { type Expected, expectAnswer } from './attack.ts';
import { Stage, useStage } from './stage.ts';

leavesNothing();
// Not paused between two calls, so that a thread of a handler goes on.
const stage = useStage(() => Stage.open({ pause_delay_ms: 60_000 }));

/** The attacker has read the id of the request in the memory of the runtime, and puts it here. */
const ID = 'X-Request-Id: found\r\n';
const ok = (body: string, head = ID) =>
  `HTTP/1.1 200 OK\r\n${head}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;

const refused: Expected = { status: 502, text: /ERR_BAD_RESPONSE.*broke the protocol/ };
const tooLarge: Expected = { status: 502, text: /ERR_RESPONSE_TOO_LARGE/ };
const asUsual: Expected = { status: 200, text: /^"as usual"$/ };

interface Answer {
  readonly title: string;
  readonly data: string;
  /** How it is written, and what the handler does then. */
  readonly way: 'once' | 'endless' | 'bytes' | 'later';
  readonly after: 'return' | 'hang' | 'exit' | 'close';
  readonly expected: Expected;
}

const ANSWERS: readonly Answer[] = [
  {
    title: 'a header without end',
    data: `HTTP/1.1 200 OK\r\n${ID}${'X: y\r\n'.repeat(100)}`,
    way: 'endless',
    after: 'hang',
    expected: refused,
  },
  { title: 'a line without end', data: 'HTTP/1.1 200 OK', way: 'endless', after: 'hang', expected: refused },
  {
    title: 'a body that never comes',
    data: `HTTP/1.1 200 OK\r\n${ID}Content-Length: 100\r\n\r\nhalf`,
    way: 'once',
    after: 'hang',
    expected: { status: 504, text: /ERR_TIMEOUT/ },
  },
  {
    title: 'half a body, and its end',
    data: `HTTP/1.1 200 OK\r\n${ID}Content-Length: 100\r\n\r\nhalf`,
    way: 'once',
    after: 'exit',
    expected: { status: 502, text: /ERR_SANDBOX_DIED/ },
  },
  {
    title: 'a length that is too short',
    data: `HTTP/1.1 200 OK\r\n${ID}Content-Length: 3\r\n\r\n"long"`,
    way: 'once',
    after: 'hang',
    expected: refused,
  },
  {
    title: 'a length beyond the limit',
    data: `HTTP/1.1 200 OK\r\n${ID}Content-Length: 65537\r\n\r\n`,
    way: 'once',
    after: 'hang',
    expected: tooLarge,
  },
  ...['-1', '0x10', '1e3', '9'.repeat(40), '1, 1', ''].map(
    (length): Answer => ({
      title: `a length of '${length.slice(0, 10)}'`,
      data: `HTTP/1.1 200 OK\r\n${ID}Content-Length: ${length}\r\n\r\nx`,
      way: 'once',
      after: 'hang',
      expected: refused,
    }),
  ),
  {
    title: 'chunks',
    data: `HTTP/1.1 200 OK\r\n${ID}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    way: 'once',
    after: 'hang',
    expected: refused,
  },
  {
    title: 'a redirect',
    data: 'HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\nContent-Length: 0\r\n\r\n',
    way: 'once',
    after: 'hang',
    expected: refused,
  },
  {
    title: 'an endless `100 Continue`',
    data: 'HTTP/1.1 100 Continue\r\n\r\n',
    way: 'endless',
    after: 'hang',
    expected: refused,
  },
  { title: 'no id of the request', data: ok('"x"', ''), way: 'once', after: 'hang', expected: refused },
  {
    title: 'an id that it has made up',
    data: ok('"x"', 'X-Request-Id: 12345678\r\n'),
    way: 'once',
    after: 'hang',
    expected: refused,
  },
  { title: 'two answers', data: ok('"one"') + ok('"two"'), way: 'once', after: 'hang', expected: refused },
  {
    title: 'an answer byte by byte',
    data: ok(`"${'x'.repeat(2000)}"`),
    way: 'bytes',
    after: 'exit',
    expected: { status: 200, text: /^"x+"$/ },
  },
  {
    title: 'times beyond belief',
    data: ok('"timed"', `${ID}X-Loaded-Ns: 999999999999999999\r\nX-Took-Us: 999999999999999\r\n`),
    way: 'once',
    after: 'exit',
    expected: { status: 200, text: /^"timed"$/ },
  },
];

/** Those that are over at once share a case; those that take their time have one each. */
const QUICK = ANSWERS.filter(({ expected }) => expected.status !== 504 && expected.status !== 200);
const CASES = [
  { title: 'what is no answer of ours', answers: QUICK },
  ...ANSWERS.filter((one) => !QUICK.includes(one)).map((one) => ({ title: one.title, answers: [one] })),
];

test.each(CASES)('$title: answered as documented, and the next call gets its own answer', async ({
  title,
  answers,
}) => {
  await stage.current.addProgram('pipe/answers');
  await stage.current.beside(title, async () => {
    for (const { data, way, after, expected } of answers) {
      const event = { data: Buffer.from(data).toString('base64'), way, after };
      await expectAnswer(stage.current, event, expected);
      for (let call = 0; call < 2; call++) await expectAnswer(stage.current, null, asUsual);
    }
  });
});

test('an answer too many is nobody’s but its own function’s', async () => {
  const { current } = stage;
  await current.addProgram('pipe/answers');
  const event = { data: Buffer.from(ok('"forged"')).toString('base64'), way: 'once', after: 'return' };
  await current.beside('an answer too many', async () => {
    for (let call = 0; call < 20; call++) {
      const { status, body } = await current.invoke('attacker', call % 2 === 0 ? event : null);
      // Who is quicker decides whether the second one is seen in time. It is never the answer to the next call.
      const right = call % 2 === 0 ? '"forged"' : '"as usual"';
      if (status === 200) expect(body).toBe(right);
      else expect(`${status} ${body}`).toMatch(/^502 .*ERR_BAD_RESPONSE/);
    }
    await until(
      'answer as usual',
      async () => (await current.invoke('attacker', null)).body === '"as usual"',
    );
  });
});

test('an answer before the question is no call’s', async () => {
  await stage.current.addProgram('pipe/answers');
  const event = { data: Buffer.from(ok('"forged"')).toString('base64'), way: 'later', after: 'return' };
  await stage.current.beside('an answer before the question', async () => {
    await expectAnswer(stage.current, event, { status: 200, text: /^"first"$/ });
    await sleep(300);
    for (let call = 0; call < 2; call++) await expectAnswer(stage.current, null, asUsual);
  });
});

test('an answer to a call is never that of the next one, though that has been read', async () => {
  await stage.current.addProgram('pipe/answers');
  const data = Buffer.from(ok('"of the one before"')).toString('base64');
  await stage.current.beside('an answer that was kept', async () => {
    await expectAnswer(stage.current, { data, way: 'kept' }, { status: 200, text: /^"first"$/ });
    await expectAnswer(stage.current, { data, way: 'of the one before', after: 'hang' }, refused);
    await expectAnswer(stage.current, null, asUsual);
  });
});

test('what a sandbox says to the worker beside its result does not get to the client', async () => {
  await stage.current.addProgram('pipe/answers');
  const head = `${ID}Set-Cookie: a=b\r\nX-Forged: yes\r\nAccess-Control-Allow-Origin: nobody\r\n`;
  const data = Buffer.from(ok('"sent"', head)).toString('base64');
  await stage.current.beside('headers of its own', async () => {
    const answer = await expectAnswer(
      stage.current,
      { data, way: 'once', after: 'hang' },
      { status: 200, text: /^"sent"$/ },
    );
    expect(answer.headers).not.toHaveProperty('set-cookie');
    expect(answer.headers).not.toHaveProperty('x-forged');
    expect(answer.headers).toMatchObject({ 'access-control-allow-origin': '*' });
  });
});
