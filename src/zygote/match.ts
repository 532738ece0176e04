/**
 * Which zygote to fork a sandbox from.
 *
 * Only one whose packages are all among the function's own, in the same versions, will do: a function is never forked from
 * code that it did not ask for. That is SOCK's rule (Oakes et al., "SOCK: Rapid Task Provisioning with Serverless-Optimized
 * Containers", USENIX ATC '18), and it is what keeps one function's packages from reaching another one.
 *
 * Of those that will do, the one that saves the most is taken: the import times along the path from the root, added up. Of
 * what the function has and does not import, nothing is saved: a node counts by the share of it that the function loads.
 * The original (go/worker/lambda/zygote of open-lambda/open-lambda) goes down into the first child that will do, and so
 * may end up in a branch that saves 5 ms where another one would have saved 200. Looking at all costs some microseconds.
 * Where two save the same, the one with fewer packages is taken: it is the smaller process to fork.
 *
 * The answer depends on the snapshot alone: the last tie goes to the lowest id.
 */
import { type Costs, UNKNOWN_COST } from './costs.ts';
import { isWithin, type PackageKey, type ZygoteNode } from './tree.ts';

export interface Match {
  /** The id of the zygote; null is the root zygote. */
  readonly zygote: number | null;
  /** What is left to import, sorted. */
  readonly missing: readonly PackageKey[];
}

/** What a function has, and what of it it loads (`CallGroup`). */
export interface Asked {
  readonly packages: ReadonlySet<PackageKey>;
  readonly loads: ReadonlySet<PackageKey>;
}

/** Picks the zygote for a function with these packages, which loads all of them. `tree` has those that are ready. */
export function match(tree: readonly ZygoteNode[], packages: ReadonlySet<PackageKey>): Match {
  const best = matcher(tree)({ packages, loads: packages });
  const there = new Set(best?.packages);
  return { zygote: best?.id ?? null, missing: [...packages].filter((key) => !there.has(key)).sort() };
}

/** Prepares for many questions about one tree: the node to fork from, or null for the root zygote. */
export function matcher<N extends Matchable>(
  tree: readonly N[],
  costs: Costs = new Map(),
): (asked: Asked) => N | null {
  const ids = new Set(tree.map(({ id }) => id));
  const below = Map.groupBy(tree, ({ parent }) => (parent !== null && ids.has(parent) ? parent : null));
  const best = (above: Found<N> | null, asked: Asked): Found<N> | null => {
    let found: Found<N> | null = null;
    for (const node of below.get(above?.node.id ?? null) ?? []) {
      // What is below it has its packages, too.
      if (!isWithin(node.packages, asked.packages)) continue;
      const share = shareLoaded(node.packages, above?.node.packages ?? [], asked.loads, costs);
      const here = { node, savedMs: (above?.savedMs ?? 0) + share * node.importMs };
      found = better(found, better(here, best(here, asked)));
    }
    return found;
  };
  return (asked) => best(null, asked)?.node ?? null;
}

/** Of what a node imports beyond its parent, the part that is loaded, by what it costs: from 0 to 1. */
function shareLoaded(
  packages: readonly PackageKey[],
  above: readonly PackageKey[],
  loads: ReadonlySet<PackageKey>,
  costs: Costs,
): number {
  if (isWithin(packages, loads)) return 1;
  let [all, loaded] = [0, 0];
  for (const key of packages) {
    if (above.includes(key)) continue;
    const { selfMs, sharedMs } = costs.get(key) ?? UNKNOWN_COST;
    all += selfMs + sharedMs;
    if (loads.has(key)) loaded += selfMs + sharedMs;
  }
  return all === 0 ? 0 : loaded / all;
}

/** What the choice depends on. */
export type Matchable = Pick<ZygoteNode, 'id' | 'parent' | 'packages' | 'importMs'>;

interface Found<N> {
  readonly node: N;
  /** Against a fork from the root zygote. */
  readonly savedMs: number;
}

function better<N extends Matchable>(one: Found<N> | null, other: Found<N> | null): Found<N> | null {
  if (one === null || other === null) return one ?? other;
  if (one.savedMs !== other.savedMs) return one.savedMs > other.savedMs ? one : other;
  const more = one.node.packages.length - other.node.packages.length;
  const isFirst = more === 0 ? one.node.id < other.node.id : more < 0;
  return isFirst ? one : other;
}
