/**
 * What importing costs. A package brings its own modules, and modules of the standard library with it. Its own are paid once
 * by whoever imports it first. Those of the standard library are much the same ones for everybody (asyncio, ssl, email,
 * typing): two packages that need 30 ms of them together take little more than 30 ms. So of a set of packages, the own
 * shares are added, and of the shared ones the largest counts. The same goes for memory.
 *
 * That the largest one stands for all is a guess about overlaps that nobody measures; a sum would be wrong by far more. On
 * 869 real functions it gives a median of 86 ms, which is what importing was measured to take there.
 */
import type { PackageKey } from './tree.ts';

export interface PackageCost {
  readonly selfMs: number;
  readonly sharedMs: number;
  readonly selfKb: number;
  readonly sharedKb: number;
}

export type Costs = ReadonlyMap<PackageKey, PackageCost>;

export interface Cost {
  readonly ms: number;
  readonly kb: number;
}

/** What is taken for a package that nothing is known of yet: about the mean of the real ones. */
export const UNKNOWN_COST: PackageCost = { selfMs: 6, sharedMs: 0, selfKb: 1400, sharedKb: 0 };

/**
 * What a zygote takes beyond what its imports are thought to: page tables, the pages that it has to copy, and what small packages
 * take more than is said of them. With `OWN_KB_PER_MB` (`workload-file.ts`) a straight line through what 224 zygotes took.
 */
export const ZYGOTE_KB = 3870;

/** The part that packages may have in common; `base` is what is there already. */
export function sharedCost(costs: Costs, packages: Iterable<PackageKey>, base: Cost = NOTHING): Cost {
  let { ms, kb } = base;
  for (const key of packages) {
    const { sharedMs, sharedKb } = costs.get(key) ?? UNKNOWN_COST;
    ms = Math.max(ms, sharedMs);
    kb = Math.max(kb, sharedKb);
  }
  return { ms, kb };
}

/** What it costs to import `added` where `base` is the shared part that is there (`sharedCost`). */
export function costOfAdding(costs: Costs, added: Iterable<PackageKey>, base: Cost = NOTHING): Cost {
  const keys = [...added];
  const shared = sharedCost(costs, keys, base);
  let [ms, kb] = [shared.ms - base.ms, shared.kb - base.kb];
  for (const key of keys) {
    const { selfMs, selfKb } = costs.get(key) ?? UNKNOWN_COST;
    ms += selfMs;
    kb += selfKb;
  }
  return { ms, kb };
}

/** Prepares for many questions: what is left to import, in ms, where some packages are there, of others that are loaded. */
export function leftMsWhere(
  costs: Costs,
  there: Iterable<PackageKey>,
): (loads: Iterable<PackageKey>) => number {
  const known = new Set(there);
  const base = sharedCost(costs, known).ms;
  return (loads) => {
    let [own, shared] = [0, base];
    for (const key of loads) {
      if (known.has(key)) continue;
      const { selfMs, sharedMs } = costs.get(key) ?? UNKNOWN_COST;
      own += selfMs;
      shared = Math.max(shared, sharedMs);
    }
    return own + shared - base;
  };
}

/**
 * What a measured import says about its packages: their shares, in the proportions known so far, made to add up to what was
 * measured. Where they were thought too cheap, the own shares grow; where too dear, all shares shrink. What overlapping
 * sets were measured to take brings the shares of each package apart, one by one. `there` has what was imported before.
 */
export function learnCosts(
  costs: Costs,
  added: readonly PackageKey[],
  measured: Cost,
  there: Iterable<PackageKey> = [],
): Map<PackageKey, PackageCost> {
  const base = sharedCost(costs, there);
  const expected = costOfAdding(costs, added, base);
  const known = added.map((key) => [key, costs.get(key) ?? UNKNOWN_COST] as const);
  const own = known.reduce(
    (sum, [, cost]) => ({ ms: sum.ms + cost.selfMs, kb: sum.kb + cost.selfKb }),
    NOTHING,
  );
  const share = {
    ms: sharing(own.ms, expected.ms, measured.ms),
    kb: sharing(own.kb, expected.kb, measured.kb),
  };
  return new Map(
    known.map(([key, { selfMs, sharedMs, selfKb, sharedKb }]) => {
      const ms = share.ms(selfMs, sharedMs, known.length);
      const kb = share.kb(selfKb, sharedKb, known.length);
      return [key, { selfMs: ms.own, sharedMs: ms.shared, selfKb: kb.own, sharedKb: kb.shared }];
    }),
  );
}

/** How one figure of each package changes: `own` is the sum of own shares, `expected` that with what is shared. */
function sharing(own: number, expected: number, measured: number) {
  return (ownShare: number, shared: number, count: number): { own: number; shared: number } => {
    if (measured < expected) {
      const factor = measured / expected;
      return { own: ownShare * factor, shared: shared * factor };
    }
    const more = measured - expected;
    return { own: ownShare + (own === 0 ? more / count : (ownShare / own) * more), shared };
  };
}

const NOTHING: Cost = { ms: 0, kb: 0 };
