import fc from 'fast-check';
import { expect, test } from 'vitest';
import { match, matcher } from '../../../src/zygote/match.ts';
import type { ZygoteNode } from '../../../src/zygote/tree.ts';
import { anyCosts, anyPackages, anyTree, asked, cost, zygote } from './nodes.ts';

const numpy = zygote({ id: 1, packages: ['numpy==1'], importMs: 70, children: 1 });
const pandas = zygote({ id: 2, parent: 1, packages: ['numpy==1', 'pandas==2'], importMs: 190 });
const six = zygote({ id: 3, packages: ['six==1'], importMs: 3 });
const tree = [six, numpy, pandas];

test('with no zygote that will do, it is the root zygote and all is missing', () => {
  expect(match([], new Set(['b==1', 'a==1']))).toEqual({ zygote: null, missing: ['a==1', 'b==1'] });
  expect(match(tree, new Set(['flask==2']))).toEqual({ zygote: null, missing: ['flask==2'] });
  expect(match(tree, new Set())).toEqual({ zygote: null, missing: [] });
});

test('the deepest one is taken whose packages are all asked for', () => {
  const all = new Set(['numpy==1', 'pandas==2', 'six==1']);
  expect(match(tree, all)).toEqual({ zygote: 2, missing: ['six==1'] });
  expect(match(tree, new Set(['numpy==1', 'six==1']))).toEqual({ zygote: 1, missing: ['six==1'] });
});

test('another version is another package', () => {
  expect(match(tree, new Set(['numpy==2', 'pandas==2']))).toMatchObject({ zygote: null });
});

test('a shallow one that saves more goes before a deep one', () => {
  const deep = [
    zygote({ id: 1, packages: ['a==1'], importMs: 2, children: 1 }),
    zygote({ id: 2, parent: 1, packages: ['a==1', 'b==1'], importMs: 2 }),
    zygote({ id: 3, packages: ['c==1'], importMs: 200 }),
  ];
  expect(match(deep, new Set(['a==1', 'b==1', 'c==1']))).toEqual({ zygote: 3, missing: ['a==1', 'b==1'] });
});

test('of two that save the same, the one with fewer packages is taken, then the one that was made first', () => {
  const same = { importMs: 10 };
  const wide = zygote({ id: 1, packages: ['a==1', 'b==1'], ...same });
  const narrow = [
    zygote({ id: 3, packages: ['b==1'], ...same }),
    zygote({ id: 2, packages: ['a==1'], ...same }),
  ];
  expect(match([wide, ...narrow], new Set(['a==1', 'b==1'])).zygote).toBe(2);
});

test('what is not loaded saves nothing, and a node counts by the share of it that is loaded', () => {
  const all = ['ipython==8', 'jupyter==1', 'numpy==1', 'six==1'];
  const notebook = zygote({ id: 4, packages: ['ipython==8', 'jupyter==1', 'six==1'], importMs: 300 });
  const costs = new Map([
    ['ipython==8', cost(290)],
    ['jupyter==1', cost(1)],
    ['six==1', cost(9)],
  ]);
  const pick = matcher([numpy, notebook], costs);
  expect(pick(asked(all))?.id).toBe(4);
  expect(pick(asked(all, ['jupyter==1', 'numpy==1', 'six==1']))?.id).toBe(1);
  expect(pick(asked(all, ['jupyter==1', 'six==1']))?.id).toBe(4);
});

test('whatever is loaded, it never has a package that the function does not have', () => {
  fc.assert(
    fc.property(anyTree, anyPackages, anyPackages, anyCosts, (nodes, packages, loads, costs) => {
      const found = matcher(nodes, costs)(asked(packages, loads));
      expect(packages).toEqual(expect.arrayContaining([...(found?.packages ?? [])]));
    }),
  );
});

/** What a fork from the node saves, told in another way: the sum over those whose packages lead to it. */
function savedBy(nodes: readonly ZygoteNode[], id: number | null): number {
  const node = nodes.find((one) => one.id === id);
  return node === undefined ? 0 : node.importMs + savedBy(nodes, node.parent);
}

test('it never has a package that was not asked for, nobody saves more, and what is missing is the rest', () => {
  fc.assert(
    fc.property(anyTree, anyPackages, (nodes, packages) => {
      const own = new Set(packages);
      const { zygote: id, missing } = match(nodes, own);
      const there = nodes.find((one) => one.id === id)?.packages ?? [];
      expect(own.isSupersetOf(new Set(there))).toBe(true);
      expect([...there, ...missing].sort()).toEqual(packages);
      for (const other of nodes) {
        if (!own.isSupersetOf(new Set(other.packages))) continue;
        expect(savedBy(nodes, id)).toBeGreaterThanOrEqual(savedBy(nodes, other.id));
      }
    }),
  );
});

test('the order of the nodes makes no difference', () => {
  fc.assert(
    fc.property(anyTree, anyPackages, (nodes, packages) => {
      const own = new Set(packages);
      expect(match(nodes.toReversed(), own)).toEqual(match(nodes, own));
    }),
  );
});
