import { expect, test } from 'vitest';
import { CALL_NUMBERS } from '../../../src/sandbox/sock/seccomp/numbers.ts';
import { outcomesOf } from '../../helpers/runtime-peer.ts';

/** What a plan of system calls came to, in machine code and in Python. */
type Outcomes = Readonly<Record<'native' | 'python', unknown>>;

const { numbers, failure, ...outcomes } = outcomesOf<
  Readonly<Record<string, Outcomes>> & {
    readonly numbers: Readonly<Record<string, readonly [x64: number, arm64: number]>>;
    readonly failure: unknown;
  }
>('runner_peer.py');
const ENOENT = 2;

test.each<[title: string, name: string, expected: unknown]>([
  ['makes all calls, in their order', 'whole', { result: 3, ended: 2, text: 'one two' }],
  ['stops at one that fails', 'failing', { result: -ENOENT, ended: 1, text: 'one' }],
  ['stops at one that returns less than it has to', 'too_little', { result: 3, ended: 0, text: 'one' }],
  ['makes none where there is none', 'empty', { result: 0, ended: 0, text: '' }],
  ['goes on elsewhere at a jump', 'jumped', { result: 5, here: null, there: 1, text: 'there' }],
  [
    'passes over a hint that fails, and what comes after the last one',
    'hinted',
    { result: 4, ended: 1, text: 'onethree endone end' },
  ],
  [
    'forks children, each of which goes on with its own',
    'forked',
    { ended: 2, statuses: [7, 7], said: 'ab' },
  ],
])('a plan %s, in machine code as in Python', (_title, name, expected) => {
  expect(outcomes[name]).toEqual({ native: expected, python: expected });
});

test('a failure says which call of which step it was', () => {
  expect(failure).toEqual({
    step: 'second',
    errno: ENOENT,
    text: "[Errno 2] chdir: No such file or directory: b'/nowhere/at/all'",
  });
});

test.each(Object.entries(numbers))('%s has the numbers that the seccomp filters know it by', (name, [
  x64,
  arm64,
]) => {
  expect([CALL_NUMBERS.x64.get(name), CALL_NUMBERS.arm64.get(name)]).toEqual([x64, arm64]);
});
