import { constants } from 'node:os';
import { expect, test } from 'vitest';
import { outcomesOf } from '../../helpers/runtime-peer.ts';

const outcomes = outcomesOf<Readonly<Record<string, unknown>>>('template_peer.py');
const ENOENT = 2;

test('a template makes the calls of a program with what it is given for them, again and again', () => {
  expect(outcomes.simple).toEqual({ failure: null, said: 'first...' });
  expect(outcomes.again).toEqual({ failure: null, said: 'second..' });
});

test('what it forks is a child of the zygote, and comes out of its program knowing what there was when the template was made', () => {
  const said = { result: 0, at: 0, known: 'before' };
  expect(outcomes.forked).toEqual({ failure: null, status: 7, said });
});

test('one whose last call is the last of all arrives, with signals as a sandbox has them', () => {
  const said = { arrived: 'before', signals: [true, -1] };
  expect(outcomes.arrived).toEqual({ failure: null, status: 8, said });
});

test('ends of children are told of after it was made, as before', () => {
  expect(outcomes.told).toEqual({ handler: 1, wakeup: [constants.signals.SIGCHLD] });
});

test('a call that fails is told, and it ends; another one takes its place', () => {
  expect(outcomes.failing).toEqual({ failure: { result: -ENOENT, call: 1 }, said: 'third...' });
  expect(outcomes.ended).toEqual({ pid: null, is_there: false });
  expect(outcomes.another).toEqual({ failure: null, said: 'fourth..' });
});

test('one that was killed is noticed', () => {
  expect(outcomes.gone).toEqual({ text: '[Errno 0] the template has ended', pid: null });
});

test('it ends with the zygote', () => {
  expect(outcomes.ends_with_us).toEqual({ before: true, after: false });
});
