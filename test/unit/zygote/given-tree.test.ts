import { expect, test } from 'vitest';
import { GivenTree, keptNode, nodesOfFile } from '../../../src/zygote/given-tree.ts';
import type { TreeFileNode } from '../../../src/zygote/tree-file.ts';
import { asked } from './nodes.ts';

const FILE = {
  packages: [],
  children: [
    {
      packages: ['numpy==1.26.0'],
      import_ms: 70,
      children: [
        { packages: ['pytz==2023.3', 'pandas==2.1.0'], import_ms: 80, children: [] },
        { packages: ['scipy==1.11.0'], import_ms: 20, children: [] },
      ],
    },
    { packages: ['requests==2.31.0'], children: [] },
  ],
};

test('the nodes of a file come level by level, each with all that it has', () => {
  const nodes = nodesOfFile(FILE);
  expect(nodes.map(({ packages, parent }) => [packages, parent?.packages ?? null])).toEqual([
    [['numpy==1.26.0'], null],
    [['requests==2.31.0'], null],
    [['numpy==1.26.0', 'pandas==2.1.0', 'pytz==2023.3'], ['numpy==1.26.0']],
    [['numpy==1.26.0', 'scipy==1.11.0'], ['numpy==1.26.0']],
  ]);
});

test('what saves the most for its memory comes first, and parents with what is worth it below them', () => {
  const node = (
    name: string,
    import_ms: number,
    kb: number,
    calls: number,
    children: TreeFileNode[] = [],
  ) => ({
    packages: [`${name}==1`],
    import_ms,
    kb,
    calls,
    children,
  });
  const file = {
    packages: [],
    children: [
      node('large', 100, 50_000, 1),
      node('small', 10, 5000, 6),
      node('base', 20, 10_000, 0, [node('dear', 10, 40_000, 1), node('best', 100, 10_000, 4)]),
    ],
  };
  expect(nodesOfFile(file).map(({ added }) => added[0])).toEqual([
    'base==1',
    'best==1',
    'small==1',
    'large==1',
    'dear==1',
  ]);
});

test('a function is given the node that saves it the most, of those that have nothing else', () => {
  const tree = new GivenTree();
  tree.add(nodesOfFile(FILE));
  const found = (...packages: string[]) => tree.match(asked(packages), new Map())?.packages ?? null;
  expect(found('numpy==1.26.0', 'pandas==2.1.0', 'pytz==2023.3', 'scipy==1.11.0', 'six==1.16.0')).toEqual([
    'numpy==1.26.0',
    'pandas==2.1.0',
    'pytz==2023.3',
  ]);
  expect(found('numpy==1.26.0', 'pandas==2.1.0')).toEqual(['numpy==1.26.0']);
  expect(found('numpy==1.25.0')).toBe(null);
  expect(new GivenTree().match(asked(['numpy==1.26.0']), new Map())).toBe(null);
});

test('what is kept stays so, and its place, whichever was given first', () => {
  const tree = new GivenTree();
  tree.add([keptNode(['requests==2.31.0'])]);
  tree.add(nodesOfFile(FILE));
  tree.add([keptNode(['scipy==1.11.0', 'numpy==1.26.0'])]);
  const kept = tree.nodes.filter(({ isKept }) => isKept);
  expect(kept.map(({ packages, parent }) => [packages, parent?.packages ?? null])).toEqual([
    [['requests==2.31.0'], null],
    [['numpy==1.26.0', 'scipy==1.11.0'], ['numpy==1.26.0']],
  ]);
});
