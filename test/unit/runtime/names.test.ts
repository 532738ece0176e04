import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';

interface Found {
  readonly questions: readonly boolean[];
  readonly answers: readonly boolean[];
  readonly servers: readonly (readonly string[])[];
}

function ask(wanted: { questions?: string[]; answers?: string[][]; servers?: string[] }): Found {
  const peer = join(import.meta.dirname, 'names_peer.py');
  const runtime = join(import.meta.dirname, '../../../runtime/python');
  const text = JSON.stringify({ questions: [], answers: [], servers: [], ...wanted });
  return JSON.parse(
    execFileSync('/usr/bin/python3', ['-I', '-B', peer, runtime, text], { encoding: 'utf8' }),
  );
}

/** id, flags, four counts; then the name `a.bc`, type and class. */
const question = (head: string, kind = '0001', name = '0161026263' + '00') => `${head}${name}${kind}0001`;
const PLAIN = question('1234010000010000' + '00000000');

test.each([
  ['a plain one', PLAIN, true],
  ['one of IPv6', question('123401000001000000000000', '001c'), true],
  ['one of the root', question('123401000001000000000000', '0002', '00'), true],
  [
    'one with options, as EDNS has them',
    `${question('123401000001000000000001')}0000291000000000000000`,
    true,
  ],
  ['an answer', question('123481800001000000000000'), false],
  ['an update of a zone', question('123428000001000000000000', '0006'), false],
  ['a note to a secondary', question('123420000001000000000000', '0006'), false],
  ['a transfer of a zone', question('123401000001000000000000', '00fc'), false],
  ['an incremental one', question('123401000001000000000000', '00fb'), false],
  ['two questions', question('123401000002000000000000'), false],
  ['no question', '123401000000000000000000', false],
  ['one that brings answers along', question('123401000001000100000000'), false],
  ['one that brings authorities along', question('123401000001000000010000'), false],
  ['one without its class', PLAIN.slice(0, -4), false],
  ['one without an end', '12340100000100000000000001', false],
  ['one whose name points elsewhere', question('123401000001000000000000', '0001', 'c00c'), false],
  [
    'one whose name is too long',
    question('123401000001000000000000', '0001', `${`3f${'61'.repeat(63)}`.repeat(5)}00`),
    false,
  ],
  ['nothing', '', false],
])('%s', (_what, message, isQuestion) => {
  expect(ask({ questions: [message] }).questions).toEqual([isQuestion]);
});

test('no bytes whatever break the look at a question', () => {
  const messages = fc
    .sample(fc.uint8Array({ maxLength: 80 }), 500)
    .map((bytes) => Buffer.from(bytes).toString('hex'));
  expect(ask({ questions: messages.map((text) => `12340100000100000000${text}`) }).questions).toHaveLength(
    500,
  );
});

test('an answer has the id of its question, and says that it is one', () => {
  const answer = question('123481800001000000000000');
  expect(
    ask({
      answers: [
        [answer, PLAIN],
        [PLAIN, PLAIN],
        [`4321${answer.slice(4)}`, PLAIN],
        ['', PLAIN],
      ],
    }).answers,
  ).toEqual([true, false, false, false]);
});

test('the servers are those that the C library would ask', () => {
  const text =
    '# nameserver 1.1.1.1\nsearch example.com\nnameserver 127.0.0.53\noptions edns0\n nameserver fe80::1%eth0 \nnameserver\nnameserver 9.9.9.9\nnameserver 8.8.8.8\n';
  expect(ask({ servers: [text, ''] }).servers).toEqual([['127.0.0.53', 'fe80::1%eth0', '9.9.9.9'], []]);
});
