import { expect, test } from 'vitest';
import { dependenciesOf } from '../../../src/zygote/dependencies.ts';

const LISTS = [
  ['pandas==2', 'numpy==1', 'pytz==1'],
  ['pandas==2', 'numpy==1', 'pytz==1', 'seaborn==1'],
  ['numpy==1'],
];

test('a package needs what is in every list that it is in', () => {
  const found = dependenciesOf(LISTS, new Map());
  expect(found.get('pandas==2')).toEqual(new Set(['numpy==1', 'pytz==1']));
  expect(found.get('numpy==1')).toEqual(new Set());
});

test('what takes longer to import is not imported by it', () => {
  const times = new Map([
    ['pandas==2', 250],
    ['numpy==1', 70],
    ['pytz==1', 10],
    ['seaborn==1', 700],
  ]);
  const found = dependenciesOf(LISTS, times);
  // They are always together; only one of them can import the other.
  expect(found.get('pytz==1')).toEqual(new Set());
  expect(found.get('pandas==2')).toEqual(new Set(['numpy==1', 'pytz==1']));
  expect(found.get('seaborn==1')).toEqual(new Set(['pandas==2', 'numpy==1', 'pytz==1']));
});

test('a package that is in no list is not there', () => {
  expect(dependenciesOf([], new Map([['a==1', 1]]))).toEqual(new Map());
});
