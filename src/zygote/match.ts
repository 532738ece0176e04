/**
 * Which zygote to fork a sandbox from.
 *
 * Only one whose packages are all among the function's own, in the same versions, will do: a function is never forked from
 * code that it did not ask for. That is SOCK's rule (Oakes et al., "SOCK: Rapid Task Provisioning with Serverless-Optimized
 * Containers", USENIX ATC '18), and it is what keeps one function's packages from reaching another one.
 *
 * Of those that will do, the one is taken that leaves the least to import, in ms, by what importing is known to cost (`costs.ts`).
 * What the function has and does not load counts for nothing, or a zygote with eighty packages of jupyter's would be
 * better than one with the pandas that the function uses. Times that were measured of whole zygotes would not do: a zygote
 * that imports requests saves little where its parent had loaded ssl, and much all the same for a function that needs ssl, too.
 *
 * The original (go/worker/lambda/zygote of open-lambda/open-lambda) goes down into the first child that will do, and so
 * may end up in a branch that saves 5 ms where another one would have saved 200. Looking at all costs some microseconds.
 * Where two leave the same, the one with fewer packages is taken: it is the smaller process to fork. The root zygote goes
 * before all that save nothing.
 *
 * The answer depends on the snapshot alone: the last tie goes to the lowest id.
 */
import { type Costs, leftMsWhere } from './costs.ts';
import { isWithin, type PackageKey, type ZygoteNode } from './tree.ts';

/** What a function has, and what of it it loads (`CallGroup`). */
export interface Asked {
  readonly packages: ReadonlySet<PackageKey>;
  readonly loads: ReadonlySet<PackageKey>;
}

/** What the choice depends on. */
export type Matchable = Pick<ZygoteNode, 'id' | 'parent' | 'packages'>;

/** Picks the zygote for a function; null is the root zygote. `tree` has those that are ready. */
export function match<N extends Matchable>(tree: readonly N[], asked: Asked, costs: Costs): N | null {
  return matcher(tree, costs)(asked);
}

/** The same, prepared for many questions about one tree. */
export function matcher<N extends Matchable>(tree: readonly N[], costs: Costs): (asked: Asked) => N | null {
  const ids = new Set(tree.map(({ id }) => id));
  const below = Map.groupBy(tree, ({ parent }) => (parent !== null && ids.has(parent) ? parent : null));
  const leftAt = new Map<N | null, (loads: Iterable<PackageKey>) => number>();
  const leftMs = (node: N | null, loads: ReadonlySet<PackageKey>): number => {
    const left = leftAt.get(node) ?? leftMsWhere(costs, node?.packages ?? []);
    leftAt.set(node, left);
    return left(loads);
  };
  const best = (found: Found<N>, among: number | null, asked: Asked): Found<N> => {
    let so = found;
    for (const node of below.get(among) ?? []) {
      // What is below it has its packages, too.
      if (!isWithin(node.packages, asked.packages)) continue;
      so = better(so, { node, leftMs: leftMs(node, asked.loads) });
      so = best(so, node.id, asked);
    }
    return so;
  };
  return (asked) => best({ node: null, leftMs: leftMs(null, asked.loads) }, null, asked).node;
}

interface Found<N> {
  /** Null is the root zygote. */
  readonly node: N | null;
  readonly leftMs: number;
}

function better<N extends Matchable>(one: Found<N>, other: Found<N>): Found<N> {
  if (one.leftMs !== other.leftMs) return one.leftMs < other.leftMs ? one : other;
  if (one.node === null || other.node === null) return one.node === null ? one : other;
  const more = one.node.packages.length - other.node.packages.length;
  const isFirst = more === 0 ? one.node.id < other.node.id : more < 0;
  return isFirst ? one : other;
}
