import { expect, test } from 'vitest';
import { Needs } from '../../../src/zygote/needs.ts';

const LOCK = new Set([
  'jupyter==1',
  'ipython==8',
  'traitlets==5',
  'pandas==2',
  'numpy==1',
  'tzdata==1',
  'six==1',
]);

function known(): Needs {
  const needs = new Needs();
  needs.add('jupyter==1', ['ipython', 'notebook']);
  needs.add('ipython==8', ['traitlets']);
  needs.add('traitlets==5', []);
  needs.add('pandas==2', ['numpy', 'tzdata']);
  needs.add('numpy==1', []);
  needs.add('tzdata==1', []);
  needs.add('six==1', []);
  return needs;
}

const note = (
  needs: Needs,
  key: string,
  packages: Iterable<string>,
  loaded: string[],
  before: string[] = [],
) => needs.noteLoaded({ key, packages, before: new Set(before), loaded: new Set([key, ...loaded]) });

const loadsOf = (needs: Needs, ...asked: string[]) => [...needs.loadsOf(LOCK, new Set(asked))].sort();

test('what is imported loads what it requires, and what that requires, as far as it is there', () => {
  expect(loadsOf(known(), 'jupyter==1')).toEqual(['ipython==8', 'jupyter==1', 'traitlets==5']);
  expect(loadsOf(known(), 'six==1', 'pandas==2')).toEqual(['numpy==1', 'pandas==2', 'six==1', 'tzdata==1']);
});

test('what could have been loaded with it and was not, it does not bring', () => {
  const needs = known();
  note(needs, 'jupyter==1', LOCK, []);
  note(needs, 'pandas==2', LOCK, ['numpy==1']);
  expect(loadsOf(needs, 'jupyter==1', 'pandas==2')).toEqual(['jupyter==1', 'numpy==1', 'pandas==2']);
  // Who imports it is another question.
  expect(loadsOf(needs, 'ipython==8')).toEqual(['ipython==8', 'traitlets==5']);
});

test('what a package brings depends on who imports it', () => {
  const needs = known();
  needs.add('dateutil==2', ['six']);
  needs.add('pandas==2', ['numpy', 'dateutil']);
  const packages = new Set([...LOCK, 'dateutil==2']);
  note(needs, 'dateutil==2', packages, []);
  const loads = (key: string) => [...needs.loadsOf(packages, new Set([key]))].sort();
  expect(loads('dateutil==2')).toEqual(['dateutil==2']);
  expect(loads('pandas==2')).toEqual(['dateutil==2', 'numpy==1', 'pandas==2', 'six==1']);
});

test('what was not there when a package was loaded is not needed for that, until it is seen to be loaded', () => {
  const needs = known();
  note(needs, 'pandas==2', ['pandas==2', 'numpy==1'], ['numpy==1']);
  expect(loadsOf(needs, 'pandas==2')).toEqual(['numpy==1', 'pandas==2']);
  note(needs, 'pandas==2', LOCK, ['numpy==1', 'tzdata==1']);
  expect(loadsOf(needs, 'pandas==2')).toEqual(['numpy==1', 'pandas==2', 'tzdata==1']);
  // More of its modules were imported then.
  note(needs, 'pandas==2', LOCK, ['numpy==1']);
  expect(loadsOf(needs, 'pandas==2')).toEqual(['numpy==1', 'pandas==2', 'tzdata==1']);
});

test('what was loaded before an import says nothing about it', () => {
  const needs = known();
  note(needs, 'pandas==2', LOCK, [], ['numpy==1']);
  expect(loadsOf(needs, 'pandas==2')).toEqual(['numpy==1', 'pandas==2']);
});

test('packages are imported before what they require', () => {
  expect(known().inOrder(['ipython==8', 'jupyter==1', 'numpy==1', 'pandas==2', 'traitlets==5'])).toEqual([
    'jupyter==1',
    'ipython==8',
    'pandas==2',
    'numpy==1',
    'traitlets==5',
  ]);
  const needs = new Needs();
  needs.add('a==1', ['b']);
  needs.add('b==1', ['a']);
  expect(needs.inOrder(['a==1', 'b==1', 'c==1']).sort()).toEqual(['a==1', 'b==1', 'c==1']);
});

test('another version of what is required counts as well', () => {
  const needs = known();
  needs.add('numpy==2', []);
  expect([...needs.loadsOf(new Set(['pandas==2', 'numpy==2']), new Set(['pandas==2']))]).toEqual([
    'pandas==2',
    'numpy==2',
  ]);
});

test('packages that require each other come to an end', () => {
  const needs = new Needs();
  needs.add('a==1', ['b']);
  needs.add('b==1', ['a']);
  expect([...needs.loadsOf(new Set(['a==1', 'b==1']), new Set(['a==1']))]).toEqual(['a==1', 'b==1']);
});

test('where a package does not tell what it requires, or nobody knows it, all is loaded', () => {
  const needs = known();
  needs.add('six==1', null);
  expect(loadsOf(needs, 'six==1')).toEqual([...LOCK].sort());
  expect(loadsOf(new Needs(), 'six==1')).toEqual([...LOCK].sort());
});

test('what was not loaded is required again where an import failed: it may have been for want of that', () => {
  const needs = known();
  note(needs, 'pandas==2', LOCK, []);
  expect(loadsOf(needs, 'pandas==2')).toEqual(['pandas==2']);
  needs.forget('pandas==2');
  expect(loadsOf(needs, 'pandas==2')).toEqual(['numpy==1', 'pandas==2', 'tzdata==1']);
});

test('what somebody else has found out holds until it is seen here', () => {
  const needs = known();
  needs.know(new Map([['pandas==2', ['numpy']]]));
  expect(loadsOf(needs, 'pandas==2')).toEqual(['numpy==1', 'pandas==2']);
  note(needs, 'pandas==2', LOCK, ['tzdata==1'], ['numpy==1']);
  expect(loadsOf(needs, 'pandas==2')).toEqual(['numpy==1', 'pandas==2', 'tzdata==1']);
  note(needs, 'pandas==2', LOCK, []);
  expect(loadsOf(needs, 'pandas==2')).toEqual(['pandas==2', 'tzdata==1']);
  needs.add('other==1', null);
  needs.know(new Map([['other==1', ['six']]]));
  expect(loadsOf(needs, 'other==1')).toEqual(['other==1', 'six==1']);
});
