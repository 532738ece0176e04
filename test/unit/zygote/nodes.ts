import fc from 'fast-check';
import type { PackageCost } from '../../../src/zygote/costs.ts';
import type { Asked } from '../../../src/zygote/match.ts';
import type { CallGroup } from '../../../src/zygote/statistics.ts';
import type { PackageKey, ZygoteNode } from '../../../src/zygote/tree.ts';

/** A zygote below the root zygote that nothing happens to, but for what is given. */
export function zygote(given: Partial<ZygoteNode> & Pick<ZygoteNode, 'id'>): ZygoteNode {
  const quiet = {
    parent: null,
    packages: [],
    importMs: 10,
    kb: 1000,
    uses: 0,
    lastUsed: 0,
    children: 0,
    busy: false,
    isKept: false,
  };
  return { ...quiet, ...given };
}

/** A function that has these packages, and loads them all or some. */
export function asked(packages: Iterable<PackageKey>, loads = packages): Asked {
  return { packages: new Set(packages), loads: new Set(loads) };
}

export function group(calls: number, packages: readonly PackageKey[], loads = packages): CallGroup {
  return { packages: new Set(packages), loads: new Set(loads), calls };
}

export function cost(selfMs: number, selfKb = 1024, sharedMs = 0, sharedKb = 0): PackageCost {
  return { selfMs, selfKb, sharedMs, sharedKb };
}

/** Few packages, so that sets overlap; two versions of some. */
export const KEYS = ['a==1', 'a==2', 'b==1', 'c==1', 'd==1', 'e==1', 'e==2', 'f==1'] as const;

/** Packages as a lock has them: one version of each. */
export const anyPackages: fc.Arbitrary<PackageKey[]> = fc
  .uniqueArray(fc.constantFrom(...KEYS), { selector: (key) => key.split('==')[0] })
  .map((keys) => keys.sort());

/** Calls of functions that load all or part of their packages. */
export const anyGroups: fc.Arbitrary<CallGroup[]> = fc.array(
  fc
    .tuple(fc.integer({ min: 1, max: 20 }), anyPackages)
    .chain(([calls, packages]) => fc.subarray(packages).map((loads) => group(calls, packages, loads))),
  { maxLength: 12 },
);

/** What each package costs; some are unknown. */
export const anyCosts: fc.Arbitrary<Map<PackageKey, PackageCost>> = fc
  .array(fc.tuple(fc.constantFrom(...KEYS), fc.nat(200), fc.nat(50_000), fc.nat(50), fc.nat(10_000)))
  .map(
    (all) =>
      new Map(all.map(([key, ...figures]) => [key, cost(figures[0], figures[1], figures[2], figures[3])])),
  );

/** A tree in which each child has its parent's packages and more, and the counts of children are right. */
export const anyTree: fc.Arbitrary<ZygoteNode[]> = fc
  .array(
    fc.record({
      parent: fc.nat(20),
      packages: anyPackages,
      importMs: fc.nat(200),
      kb: fc.nat(50_000),
      uses: fc.nat(100),
      lastUsed: fc.nat(5000),
      busy: fc.boolean(),
      isKept: fc.boolean(),
    }),
    { maxLength: 12 },
  )
  .map(makeTree);

function makeTree(
  drawn: readonly (Omit<ZygoteNode, 'id' | 'children' | 'parent'> & { parent: number })[],
): ZygoteNode[] {
  const nodes: ZygoteNode[] = [];
  for (const [index, one] of drawn.entries()) {
    // One more than there are stands for the root zygote.
    const parent = nodes[one.parent % (nodes.length + 1)] ?? null;
    const packages = [...new Set([...(parent?.packages ?? []), ...one.packages])];
    nodes.push({ ...one, id: index + 1, parent: parent?.id ?? null, packages, children: 0 });
  }
  return nodes.map((node) => ({
    ...node,
    children: nodes.filter(({ parent }) => parent === node.id).length,
  }));
}
