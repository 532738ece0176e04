import fc from 'fast-check';
import { expect, test } from 'vitest';
import { costOfAdding, sharedCost, ZYGOTE_KB } from '../../../src/zygote/costs.ts';
import { grow } from '../../../src/zygote/grow.ts';
import { setKey, type ZygoteNode } from '../../../src/zygote/tree.ts';
import { anyCosts, anyGroups, anyTree, asked, cost, group, zygote } from './nodes.ts';

const MUCH_KB = 1_000_000;
const costs = new Map([
  ['numpy==1', cost(70, 20_000)],
  ['pandas==2', cost(190, 30_000)],
  ['pytz==1', cost(10, 2000)],
  ['six==1', cost(0.2, 100)],
]);

test('what nobody has called needs no zygote, and neither does what costs nothing', () => {
  expect(grow([], { groups: [], costs }, MUCH_KB)).toBeNull();
  expect(grow([], { groups: [group(1000, ['six==1'])], costs }, MUCH_KB)).toBeNull();
});

test('a zygote gets all that the calls of a package have in common', () => {
  const groups = [
    group(3, ['numpy==1', 'pandas==2', 'pytz==1']),
    group(2, ['numpy==1', 'pandas==2', 'pytz==1', 'six==1']),
  ];
  const kb = 52_000 + ZYGOTE_KB;
  const packages = ['numpy==1', 'pandas==2', 'pytz==1'];
  expect(grow([], { groups, costs }, MUCH_KB)).toEqual({
    parent: null,
    packages,
    added: packages,
    importMs: 270,
    kb,
    evict: [],
  });
});

test('it is made below the zygote that its calls are forked from today, with what is missing there', () => {
  const there = zygote({ id: 7, packages: ['numpy==1'], importMs: 70 });
  const groups = [group(3, ['numpy==1', 'pandas==2']), group(9, ['numpy==1'])];
  expect(grow([there], { groups, costs }, MUCH_KB)).toMatchObject({
    parent: 7,
    packages: ['numpy==1', 'pandas==2'],
    added: ['pandas==2'],
  });
});

test.each([
  { packages: ['pandas==2'], calls: 1, isMade: false },
  { packages: ['pandas==2'], calls: 1.2, isMade: true },
  { packages: ['pytz==1'], calls: 3, isMade: false },
  { packages: ['pytz==1'], calls: 4, isMade: true },
])('beside the calls, $packages is made when $calls calls have lost what that takes: $isMade', (one) => {
  const growth = grow([], { groups: [group(one.calls, one.packages)], costs }, MUCH_KB);
  expect(growth !== null).toBe(one.isMade);
});

test('for a call that waits, what nobody has measured yet is made at once: it may be large', () => {
  const forCall = asked(['new==1']);
  const growth = grow([], { groups: [group(1, ['new==1'])], costs }, MUCH_KB, { forCall });
  expect(growth?.packages).toEqual(['new==1']);
});

test.each([
  { packages: ['pandas==2'], calls: 1, isMade: true },
  { packages: ['pytz==1'], calls: 2, isMade: false },
  { packages: ['pytz==1'], calls: 3, isMade: true },
])('for a call that waits, $packages is made when $calls calls have lost more than a fork takes: $isMade', (one) => {
  const forCall = asked(one.packages);
  const growth = grow([], { groups: [group(one.calls, one.packages)], costs }, MUCH_KB, { forCall });
  expect(growth !== null).toBe(one.isMade);
});

test('what a function may import and does not is not imported for it', () => {
  const groups = [group(5, ['numpy==1', 'pandas==2'], ['numpy==1'])];
  expect(grow([], { groups, costs }, MUCH_KB)?.packages).toEqual(['numpy==1']);
});

test('the most ms for a kB come first, and what does not fit is passed over', () => {
  const groups = [group(9, ['numpy==1']), group(9, ['pandas==2'])];
  expect(grow([], { groups, costs }, MUCH_KB)?.packages).toEqual(['pandas==2']);
  expect(grow([], { groups, costs }, 25_000)?.packages).toEqual(['numpy==1']);
  expect(grow([], { groups, costs }, 1000)).toBeNull();
});

test('a zygote goes for one that is clearly better, and not for one that is as good', () => {
  const numpy = zygote({ id: 1, packages: ['numpy==1'], importMs: 70, kb: 23_072 });
  const grown = (calls: number) =>
    grow([numpy], { groups: [group(10, ['numpy==1']), group(calls, ['pandas==2'])], costs }, 40_000);
  expect(grown(10)).toMatchObject({ packages: ['pandas==2'], evict: [1] });
  // 4 * 190 ms against 10 * 70 ms.
  expect(grown(4)).toBeNull();
});

test('one that serves nobody now, but did a moment ago, does not go for next to nothing', () => {
  const used = zygote({ id: 1, packages: ['numpy==1'], importMs: 70, kb: 23_072, uses: 50 });
  expect(grow([used], { groups: [group(1, ['pandas==2'])], costs }, 40_000)).toBeNull();
});

test('the parent of the new one stays, and so does whoever is at work', () => {
  const parent = zygote({ id: 1, packages: ['numpy==1'], importMs: 70, kb: 23_072 });
  const busy = zygote({ id: 2, packages: ['six==1'], importMs: 0, kb: 23_072, busy: true });
  const groups = [group(100, ['numpy==1', 'pandas==2'])];
  expect(grow([parent, busy], { groups, costs }, 60_000)).toBeNull();
  const idle = { ...busy, busy: false };
  expect(grow([parent, idle], { groups, costs }, 60_000)).toMatchObject({ parent: 1, evict: [2] });
});

test('a set that failed is not tried again, another one is', () => {
  const groups = [group(3, ['numpy==1', 'pandas==2']), group(2, ['numpy==1'])];
  const first = grow([], { groups, costs }, MUCH_KB);
  const avoid = new Set([setKey(first?.packages ?? [])]);
  const second = grow([], { groups, costs }, MUCH_KB, { avoid });
  expect([first?.packages, second?.packages]).toEqual([['numpy==1'], ['numpy==1', 'pandas==2']]);
});

test('for a call, only what it can be forked from', () => {
  const groups = [group(100, ['pandas==2']), group(1, ['numpy==1'])];
  const forCall = asked(['numpy==1']);
  expect(grow([], { groups, costs }, MUCH_KB, { forCall })?.packages).toEqual(['numpy==1']);
});

const anyBudget = fc.nat(200_000);

function kbOf(nodes: readonly ZygoteNode[]): number {
  return nodes.reduce((sum, { kb }) => sum + kb, 0);
}

test('with the new one and without those that go, it is within the budget, or was beyond it before', () => {
  fc.assert(
    fc.property(anyTree, anyGroups, anyCosts, anyBudget, (tree, groups, known, budgetKb) => {
      const growth = grow(tree, { groups, costs: known }, budgetKb);
      if (growth === null) return;
      const left = tree.filter(({ id }) => !growth.evict.includes(id));
      expect(kbOf(left) + growth.kb).toBeLessThanOrEqual(budgetKb);
      for (const { parent, busy, id } of tree) {
        if (growth.evict.includes(id)) expect(busy).toBe(false);
        else if (parent !== null) expect(growth.evict).not.toContain(parent);
      }
      if (growth.parent !== null) expect(left.map(({ id }) => id)).toContain(growth.parent);
    }),
  );
});

test("a zygote has its parent's packages and more, all of which some function asked for together", () => {
  fc.assert(
    fc.property(anyTree, anyGroups, anyCosts, (tree, groups, known) => {
      const growth = grow(tree, { groups, costs: known }, MUCH_KB);
      if (growth === null) return;
      const parent = tree.find(({ id }) => id === growth.parent);
      expect(growth.added.length).toBeGreaterThan(0);
      expect(growth.packages).toEqual([...(parent?.packages ?? []), ...growth.added].sort());
      const askers = groups.filter(({ packages }) => growth.packages.every((key) => packages.has(key)));
      expect(askers.length).toBeGreaterThan(0);
    }),
  );
});

test('grown until nothing is worth it, it ends, within the budget, and no set is there twice', () => {
  fc.assert(
    fc.property(anyGroups, anyCosts, anyBudget, (groups, known, budgetKb) => {
      const tree = growAll(groups, known, budgetKb);
      expect(kbOf(tree)).toBeLessThanOrEqual(budgetKb);
      expect(new Set(tree.map(({ packages }) => setKey(packages))).size).toBe(tree.length);
    }),
  );
});

/** Grows as long as the policy wants to; evictions are done as it says. */
function growAll(
  groups: Parameters<typeof grow>[1]['groups'],
  known: Parameters<typeof grow>[1]['costs'],
  budgetKb: number,
) {
  let tree: ZygoteNode[] = [];
  for (let id = 1; id <= 1000; id++) {
    const growth = grow(tree, { groups, costs: known }, budgetKb);
    if (growth === null) return tree;
    const { parent, packages, kb, added } = growth;
    const there = tree.find((node) => node.id === parent)?.packages ?? [];
    const importMs = costOfAdding(known, added, sharedCost(known, there)).ms;
    tree = tree.filter((node) => !growth.evict.includes(node.id));
    tree.push(zygote({ id, parent, packages, kb, importMs }));
    tree = tree.map((node) => ({ ...node, children: tree.filter((one) => one.parent === node.id).length }));
  }
  throw new Error('it goes on growing for ever');
}

test('for a call, the zygote has nothing that the call does not load', () => {
  fc.assert(
    fc.property(anyTree, anyGroups, anyCosts, (tree, groups, known) => {
      for (const forCall of groups) {
        const { packages } = forCall;
        const growth = grow(tree, { groups, costs: known }, MUCH_KB, { forCall });
        if (growth === null) continue;
        const own = groups.filter((one) => setKey(one.packages) === setKey(packages));
        expect(own.some(({ loads }) => growth.added.every((key) => loads.has(key)))).toBe(true);
        expect(packages.isSupersetOf(new Set(growth.packages))).toBe(true);
      }
    }),
  );
});

test('the same input has the same answer', () => {
  fc.assert(
    fc.property(anyTree, anyGroups, anyCosts, anyBudget, (tree, groups, known, budgetKb) => {
      const answer = grow(tree, { groups, costs: known }, budgetKb);
      expect(grow(structuredClone(tree), { groups, costs: known }, budgetKb)).toEqual(answer);
    }),
  );
});
