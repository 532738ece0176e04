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

/** What a zygote takes before it has imported anything: page tables, and the pages that it has to copy. */
export const ZYGOTE_KB = 3072;

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

/**
 * What a measured import says about its packages: their own shares, in the proportions known so far, made to add up to
 * what was measured. What overlapping sets were measured to take brings the shares of each package apart, one by one.
 */
export function learnCosts(
  costs: Costs,
  added: readonly PackageKey[],
  measured: Cost,
): Map<PackageKey, PackageCost> {
  const known = added.map((key) => [key, costs.get(key) ?? UNKNOWN_COST] as const);
  const sum = { ms: total(known, 'selfMs'), kb: total(known, 'selfKb') };
  const share = (own: number, of: number, all: number) => (of === 0 ? all / known.length : (own / of) * all);
  return new Map(
    known.map(([key, cost]) => {
      const selfMs = share(cost.selfMs, sum.ms, measured.ms);
      const selfKb = share(cost.selfKb, sum.kb, measured.kb);
      return [key, { ...cost, selfMs, selfKb }];
    }),
  );
}

const NOTHING: Cost = { ms: 0, kb: 0 };

function total(known: readonly (readonly [PackageKey, PackageCost])[], share: 'selfMs' | 'selfKb'): number {
  return known.reduce((sum, [, cost]) => sum + cost[share], 0);
}
