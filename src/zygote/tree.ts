/** A version of a package: `<name>==<version>`, the name as PEP 503 normalises it. */
export type PackageKey = string;

/** A zygote below the root zygote, as the policies see it: plain data, a snapshot. */
export interface ZygoteNode {
  readonly id: number;
  /** The zygote that it was forked from; null is the root zygote, which has no node of its own. */
  readonly parent: number | null;
  /** All that is imported in it, its parent's included. Holds whatever those packages import themselves. */
  readonly packages: readonly PackageKey[];
  /** What importing took beyond its parent: what a call saves that is forked from here and not from there. */
  readonly importMs: number;
  /** Memory that ends with it, what it shares with its parent not counted. */
  readonly kb: number;
  /** How often it was forked, and when last, by a counter of all cold starts (no clock). */
  readonly uses: number;
  readonly lastUsed: number;
  /** Zygotes that were forked from it and live. */
  readonly children: number;
  /** It imports or forks at the moment: not one to end. */
  readonly busy: boolean;
  /** It is to stay, whatever it is worth. */
  readonly isKept: boolean;
}

/** For each node, by its id: its own value and those of all below it, added up. */
export function sumsBelow(
  tree: readonly ZygoteNode[],
  ownOf: (node: ZygoteNode) => number,
): Map<number, number> {
  const below = Map.groupBy(tree, ({ parent }) => parent);
  const sums = new Map<number, number>();
  const sum = (node: ZygoteNode): number => {
    const own = ownOf(node);
    const total = (below.get(node.id) ?? []).reduce((so, child) => so + sum(child), own);
    sums.set(node.id, total);
    return total;
  };
  const ids = new Set(tree.map(({ id }) => id));
  for (const node of tree) if (node.parent === null || !ids.has(node.parent)) sum(node);
  return sums;
}

/** Names a set of packages, in whatever order they come. */
export function setKey(packages: Iterable<PackageKey>): string {
  return [...packages].sort().join(' ');
}

/** True where every package is in the set. */
export function isWithin(packages: readonly PackageKey[], set: ReadonlySet<PackageKey>): boolean {
  for (const key of packages) if (!set.has(key)) return false;
  return true;
}

/** The name in `<name>==<version>`. */
export function nameOf(key: PackageKey): string {
  return key.slice(0, key.indexOf('=='));
}
