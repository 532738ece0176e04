import fc from 'fast-check';
import { expect, test } from 'vitest';
import { fitTree } from '../../../src/zygote/fit.ts';
import {
  costsOfFile,
  importsOfFile,
  readTreeFile,
  toTreeFile,
  treeFileText,
} from '../../../src/zygote/tree-file.ts';
import { anyCosts, anyGroups, cost } from './nodes.ts';
import { useFiles } from './temp-file.ts';

const files = useFiles();

test('what a fit writes is read again', () => {
  fc.assert(
    fc.property(anyGroups, anyCosts, (groups, costs) => {
      const root = fitTree({ groups, costs }, 1_000_000);
      const read = readTreeFile(files.write('fitted.json', treeFileText(root, { costs })));
      expect(read).toMatchObject(toTreeFile(root));
      const known = costsOfFile(read);
      expect([...known.keys()]).toEqual([...costs.keys()]);
      for (const [key, cost] of costs) expect(known.get(key)?.selfMs).toBeCloseTo(cost.selfMs, 1);
    }),
    { numRuns: 30 },
  );
});

test('what packages import is written, and read again', () => {
  const costs = new Map([
    ['jinja2==3', cost(60)],
    ['six==1', cost(1)],
  ]);
  const root = fitTree({ groups: [], costs }, 0);
  const written = (text: string) => importsOfFile(readTreeFile(files.write('fitted.json', text)));
  const imports = new Map([['jinja2==3', ['markupsafe']]]);
  expect(written(treeFileText(root, { costs, imports }))).toEqual(imports);
  expect(written(treeFileText(root, { costs }))).toEqual(new Map());
});

test('packages and children are enough, and names are normalised', () => {
  const path = files.write('short.json', { packages: [], children: [{ packages: ['Ruamel.YAML==0.18'] }] });
  expect(readTreeFile(path)).toEqual({
    packages: [],
    children: [{ packages: ['ruamel-yaml==0.18'], children: [] }],
  });
});

const node = (...packages: string[]) => ({ packages, children: [] });

test.each([
  ['no JSON', '{', /it is not JSON: /],
  ['a list', [], /: the whole: .*expected object.*, this is \[\]$/],
  ['no packages', { children: [] }, /: packages: .*, this is missing$/],
  ['an unknown key', { packages: [], childs: [] }, /Unrecognized key: "childs"/],
  ['a root with packages', node('a==1'), /: packages: the root zygote imports no packages/],
  [
    'no version',
    { packages: [], children: [node('a==1'), node('numpy>=1')] },
    /: children\[1\]\.packages\[0\]: `<name>==<version>` is expected, this is "numpy>=1"$/,
  ],
  ['an empty node', { packages: [], children: [node()] }, /: children\[0\]\.packages: at least one package/],
  [
    'the same package twice',
    { packages: [], children: [{ packages: ['a==1'], children: [node('A==1')] }] },
    /: children\[0\]\.children\[0\]\.packages: a==1 is there already/,
  ],
  [
    'two versions on one path',
    { packages: [], children: [{ packages: ['a==1'], children: [node('b==1', 'a==2')] }] },
    /: children\[0\]\.children\[0\]\.packages: a==2 can't be in one zygote with a==1$/,
  ],
  [
    'a cost that is incomplete',
    { packages: [], children: [], costs: { 'a==1': { self_ms: 1 } } },
    /: costs\["?a==1"?\]\.shared_ms: /,
  ],
  [
    'a figure below 0',
    { packages: [], children: [{ ...node('a==1'), kb: -1 }] },
    /: children\[0\]\.kb: .*from 0 on/,
  ],
])('%s is refused, with the file, the place and what was expected', (_what, content, message) => {
  const path = files.write('wrong.json', content);
  expect(() => readTreeFile(path)).toThrow(message);
  expect(() => readTreeFile(path)).toThrow(path);
});

test('a tree with more zygotes than any machine holds is refused', () => {
  const children = Array.from({ length: 10_000 }, (_, index) => node(`p${index}==1`));
  const path = files.write('large.json', { packages: [], children });
  expect(() => readTreeFile(path)).toThrow('10001 nodes: at most 10000 are taken');
});

test('a file that is not there says so', () => {
  expect(() => readTreeFile(files.path('nowhere.json'))).toThrow(/nowhere\.json: there is no such file$/);
});
