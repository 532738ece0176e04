import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Costs, costOfAdding, sharedCost } from '../../../src/zygote/costs.ts';
import { type Asked, match } from '../../../src/zygote/match.ts';
import type { ZygoteNode } from '../../../src/zygote/tree.ts';
import { anyCosts, anyPackages, anyTree, asked, cost, zygote } from './nodes.ts';

const numpy = zygote({ id: 1, packages: ['numpy==1'], children: 1 });
const pandas = zygote({ id: 2, parent: 1, packages: ['numpy==1', 'pandas==2'] });
const six = zygote({ id: 3, packages: ['six==1'] });
const tree = [six, numpy, pandas];
const costs: Costs = new Map([
  ['numpy==1', cost(70)],
  ['pandas==2', cost(120)],
  ['six==1', cost(3)],
]);

const pick = (nodes: readonly ZygoteNode[], ...packages: string[]) =>
  match(nodes, asked(packages), costs)?.id ?? null;

test('with no zygote that will do, it is the root zygote', () => {
  expect(pick([], 'a==1', 'b==1')).toBe(null);
  expect(pick(tree, 'flask==2')).toBe(null);
  expect(pick(tree)).toBe(null);
});

test('the deepest one is taken whose packages are all asked for', () => {
  expect(pick(tree, 'numpy==1', 'pandas==2', 'six==1')).toBe(2);
  expect(pick(tree, 'numpy==1', 'six==1')).toBe(1);
});

test('another version is another package', () => {
  expect(pick(tree, 'numpy==2', 'pandas==2')).toBe(null);
});

test('a shallow one that leaves less goes before a deep one', () => {
  const deep = [
    zygote({ id: 1, packages: ['six==1'], children: 1 }),
    zygote({ id: 2, parent: 1, packages: ['other==1', 'six==1'] }),
    zygote({ id: 3, packages: ['pandas==2'] }),
  ];
  expect(pick(deep, 'other==1', 'six==1', 'pandas==2')).toBe(3);
});

test('of two that leave the same, the one with fewer packages is taken, then the one that was made first', () => {
  const free: Costs = new Map([
    ['a==1', cost(5)],
    ['b==1', cost(0)],
    ['c==1', cost(5)],
  ]);
  const all = asked(['a==1', 'b==1', 'c==1']);
  const wide = zygote({ id: 1, packages: ['a==1', 'b==1'] });
  const narrow = [zygote({ id: 3, packages: ['c==1'] }), zygote({ id: 2, packages: ['a==1'] })];
  expect(match([wide, ...narrow], all, free)?.id).toBe(2);
  expect(match([zygote({ id: 1, packages: ['b==1'] })], all, free)).toBe(null);
});

test('what a function has and does not load saves nothing', () => {
  const known: Costs = new Map([...costs, ['ipython==8', cost(290)], ['jupyter==1', cost(1)]]);
  const notebook = zygote({ id: 4, packages: ['ipython==8', 'jupyter==1', 'six==1'] });
  const all = ['ipython==8', 'jupyter==1', 'numpy==1', 'six==1'];
  const nodes = [numpy, notebook];
  expect(match(nodes, asked(all), known)?.id).toBe(4);
  expect(match(nodes, asked(all, ['jupyter==1', 'numpy==1', 'six==1']), known)?.id).toBe(1);
  expect(match(nodes, asked(all, ['jupyter==1', 'six==1']), known)?.id).toBe(4);
});

test('what packages share is saved by whichever of them is there', () => {
  const known: Costs = new Map([
    ['google==1', cost(100, 0, 40)],
    ['requests==2', cost(5, 0, 40)],
    ['bs4==4', cost(10)],
  ]);
  const google = zygote({ id: 1, packages: ['google==1'], importMs: 140, children: 1 });
  const both = zygote({ id: 2, parent: 1, packages: ['google==1', 'requests==2'], importMs: 5 });
  const soup = zygote({ id: 3, packages: ['bs4==4'], importMs: 10 });
  const some = asked(['bs4==4', 'google==1', 'requests==2'], ['bs4==4', 'requests==2']);
  expect(match([google, both, soup], some, known)?.id).toBe(2);
});

const anyAsked: fc.Arbitrary<Asked> = anyPackages.chain((packages) =>
  fc.subarray(packages).map((loads) => asked(packages, loads)),
);

/** What is left to import, told in another way. */
function left(node: ZygoteNode | undefined | null, { loads }: Asked, known: Costs): number {
  const there = new Set(node?.packages);
  return costOfAdding(known, loads.difference(there), sharedCost(known, there)).ms;
}

test('it never has a package that was not asked for, and none that will do leaves less', () => {
  fc.assert(
    fc.property(anyTree, anyAsked, anyCosts, (nodes, one, known) => {
      const found = match(nodes, one, known);
      expect(one.packages.isSupersetOf(new Set(found?.packages))).toBe(true);
      for (const other of [null, ...nodes]) {
        if (!one.packages.isSupersetOf(new Set(other?.packages))) continue;
        // The same figures, added up in another order.
        expect(left(found, one, known)).toBeLessThanOrEqual(left(other, one, known) + 1e-9);
      }
    }),
  );
});

test('the order of the nodes makes no difference', () => {
  fc.assert(
    fc.property(anyTree, anyAsked, anyCosts, (nodes, one, known) => {
      expect(match(nodes.toReversed(), one, known)).toEqual(match(nodes, one, known));
    }),
  );
});
