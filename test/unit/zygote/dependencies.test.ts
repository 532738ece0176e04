import { expect, test } from 'vitest';
import { Dependencies } from '../../../src/zygote/dependencies.ts';

const LISTS = [
  ['pandas==2', 'numpy==1', 'pytz==1'],
  ['pandas==2', 'numpy==1', 'pytz==1', 'seaborn==1'],
  ['numpy==1'],
];
const [, WITH_SEABORN = []] = LISTS;

test('a package needs what is in every list that it is in', () => {
  const found = new Dependencies(LISTS, new Map());
  expect(found.of('pandas==2', WITH_SEABORN)).toEqual(['numpy==1', 'pytz==1']);
  expect(found.of('numpy==1', WITH_SEABORN)).toEqual([]);
  expect(found.usual('pandas==2')).toEqual(['numpy==1', 'pytz==1']);
});

test('in whatever version: each list has its own', () => {
  const lists = [
    ['jinja2==3', 'markupsafe==1'],
    ['jinja2==3', 'markupsafe==2', 'six==1'],
  ];
  const found = new Dependencies(lists, new Map());
  expect(lists.map((list) => found.of('jinja2==3', list))).toEqual([['markupsafe==1'], ['markupsafe==2']]);
  expect(found.usual('jinja2==3')).toEqual(['markupsafe==1']);
});

test('what takes longer to import is not imported by it', () => {
  const times = new Map([
    ['pandas==2', 250],
    ['numpy==1', 70],
    ['pytz==1', 10],
    ['seaborn==1', 700],
  ]);
  const found = new Dependencies(LISTS, times);
  // They are always together; only one of them can import the other.
  expect(found.usual('pytz==1')).toEqual([]);
  expect(found.usual('pandas==2')).toEqual(['numpy==1', 'pytz==1']);
  expect(found.usual('seaborn==1')).toEqual(['pandas==2', 'numpy==1', 'pytz==1']);
});

test('a package that is in no list needs nothing', () => {
  expect(new Dependencies([], new Map([['a==1', 1]])).usual('a==1')).toEqual([]);
});
