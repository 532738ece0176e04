import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ZYGOTE_KB } from '../../../src/zygote/costs.ts';
import { type FittedNode, fitTree } from '../../../src/zygote/fit.ts';
import type { CallGroup } from '../../../src/zygote/statistics.ts';
import { isWithin } from '../../../src/zygote/tree.ts';
import { anyCosts, anyGroups, cost, group } from './nodes.ts';

const MUCH_KB = 1_000_000;
const costs = new Map([
  ['numpy==1', cost(70, 20_000)],
  ['pandas==2', cost(190, 30_000)],
  ['flask==3', cost(40, 8000)],
]);
const groups = [
  group(10, ['numpy==1']),
  group(4, ['numpy==1', 'pandas==2']),
  group(6, ['flask==3']),
  group(1, ['flask==3', 'numpy==1']),
];

/** A tree as text: `numpy==1 {pandas==2}`. */
function show({ packages, children }: FittedNode): string {
  const below = children.length === 0 ? '' : `{${children.map(show).join(', ')}}`;
  return [packages.join('+'), below].filter((part) => part !== '').join(' ');
}

test('with room for all, calls that share packages share a zygote, and the rest is below', () => {
  // numpy saves the most for its memory, and takes the call that has flask as well.
  expect(show(fitTree({ groups, costs }, MUCH_KB))).toBe('{numpy==1 {pandas==2, flask==3}, flask==3}');
});

test('each node tells what it takes beyond its parent, and how many calls end up there', () => {
  const root = fitTree({ groups, costs }, MUCH_KB);
  expect(root).toMatchObject({ packages: [], importMs: 0, kb: 0, calls: 0 });
  const numpy = root.children.find(({ packages }) => packages.includes('numpy==1'));
  expect(numpy).toMatchObject({ importMs: 70, kb: 20_000 + ZYGOTE_KB, calls: 10 });
  expect(numpy?.children[0]).toMatchObject({ importMs: 190, kb: 30_000 + ZYGOTE_KB, calls: 4 });
});

test('a small budget goes to what saves the most for it; what does not fit is passed over', () => {
  expect(show(fitTree({ groups, costs }, 0))).toBe('');
  expect(show(fitTree({ groups, costs }, 25_000))).toBe('{numpy==1}');
  // flask would be next, and does not fit.
  const light = new Map([...costs, ['six==1', cost(2, 100)]]);
  expect(show(fitTree({ groups: [...groups, group(1, ['six==1'])], costs: light }, 28_000))).toBe(
    '{numpy==1, six==1}',
  );
});

test('packages that always come together are one zygote and not a chain', () => {
  const together = [group(5, ['numpy==1', 'pandas==2']), group(5, ['numpy==1', 'pandas==2', 'flask==3'])];
  expect(show(fitTree({ groups: together, costs }, MUCH_KB))).toBe('{numpy==1+pandas==2 {flask==3}}');
});

test('calls move to a later zygote of another branch that leaves them less to import', () => {
  // Those with both were with numpy until there was one with pandas.
  const some = [group(10, ['numpy==1']), group(3, ['pandas==2']), group(2, ['numpy==1', 'pandas==2'])];
  expect(show(fitTree({ groups: some, costs }, 60_000))).toBe('{numpy==1, pandas==2}');
  expect(show(fitTree({ groups: some, costs }, MUCH_KB))).toBe('{numpy==1, pandas==2 {numpy==1}}');
});

test('two versions of a package are in two branches', () => {
  const two = [group(5, ['numpy==1', 'flask==3']), group(5, ['numpy==2', 'flask==3'])];
  const known = new Map([...costs, ['numpy==2', cost(60, 20_000)]]);
  expect(show(fitTree({ groups: two, costs: known }, MUCH_KB))).toBe('{flask==3 {numpy==1, numpy==2}}');
});

test('what cannot be imported without a package that calls have in two versions is below either of these', () => {
  const two = [group(5, ['jinja2==3', 'markupsafe==1']), group(5, ['jinja2==3', 'markupsafe==2'])];
  const known = new Map([
    ['jinja2==3', cost(60)],
    ['markupsafe==1', cost(5)],
    ['markupsafe==2', cost(5)],
  ]);
  const requires = (key: string, among: ReadonlySet<string>) =>
    [...among].filter((one) => key === 'jinja2==3' && one.startsWith('markupsafe'));
  expect(show(fitTree({ groups: two, costs: known, requires }, MUCH_KB))).toBe(
    '{jinja2==3+markupsafe==1, jinja2==3+markupsafe==2}',
  );
  // One that has none of it can do without.
  const third = group(5, ['jinja2==3']);
  expect(show(fitTree({ groups: [...two, third], costs: known, requires }, MUCH_KB))).toBe(
    '{jinja2==3 {markupsafe==1, markupsafe==2}}',
  );
});

const anyBudget = fc.nat(200_000);

/** Every node below the root, with all packages that are imported in it. */
function nodesOf(node: FittedNode, above: readonly string[] = []): (FittedNode & { all: string[] })[] {
  const all = [...above, ...node.packages];
  return node.children
    .flatMap((child) => nodesOf(child, all))
    .concat(above.length + all.length > 0 ? { ...node, all } : []);
}

test('it is never over budget, whatever the calls', () => {
  fc.assert(
    fc.property(anyGroups, anyCosts, anyBudget, (calls, known, budgetKb) => {
      const kb = nodesOf(fitTree({ groups: calls, costs: known }, budgetKb)).reduce(
        (sum, one) => sum + one.kb,
        0,
      );
      expect(kb).toBeLessThanOrEqual(budgetKb + 1e-6);
    }),
  );
});

test('every zygote is of use to somebody: some calls load all that it imports, and have the rest', () => {
  fc.assert(
    fc.property(anyGroups, anyCosts, (calls, known) => {
      for (const { all, packages } of nodesOf(fitTree({ groups: calls, costs: known }, MUCH_KB))) {
        expect(packages.length).toBeGreaterThan(0);
        expect(new Set(all).size).toBe(all.length);
        const users = calls.filter((one) => isWithin(packages, one.loads) && isWithin(all, one.packages));
        expect(users).not.toEqual([]);
      }
    }),
  );
});

test('no call is lost: those of all nodes are those of the list', () => {
  fc.assert(
    fc.property(anyGroups, anyCosts, anyBudget, (calls, known, budgetKb) => {
      const root = fitTree({ groups: calls, costs: known }, budgetKb);
      const counted = nodesOf(root).reduce((sum, one) => sum + one.calls, root.calls);
      expect(counted).toBe(calls.reduce((sum, one) => sum + one.calls, 0));
    }),
  );
});

test('the same calls have the same tree, in whatever order they are listed', () => {
  fc.assert(
    fc.property(anyGroups, anyCosts, anyBudget, (calls: CallGroup[], known, budgetKb) => {
      const tree = fitTree({ groups: calls, costs: known }, budgetKb);
      expect(fitTree({ groups: calls.toReversed(), costs: known }, budgetKb)).toEqual(tree);
    }),
  );
});
