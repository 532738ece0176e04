/**
 * Which zygotes to end when there are too many.
 *
 * As in SOCK (Oakes et al., USENIX ATC '18), those with the least benefit for their cost go first. The benefit of a zygote is
 * what its calls save, which is how often it was forked times what it imported beyond its parent: evicted, its calls are
 * forked from the parent. The cost is the memory that ends with it, and not what it shares with its parent. A use counts
 * half after so many cold starts of anything, so that what was popular once does not stay for ever.
 *
 * What is different here:
 *
 * 1. Only leaves go, so that nobody's parent is missing, and none that imports or forks at the moment, or is to be kept. A parent
 *    becomes a leaf when its last child has been chosen; so the answer is in the order in which to end them, children first.
 * 2. Nobody goes for nothing: a leaf that was chosen early and is too small to matter, once a larger one has been chosen, is
 *    kept after all.
 * 3. A zygote counts as used once more than it was, or one that has just been made would be the first to go.
 *
 * Where sandboxes need the memory (`evenKept`), those that are to be kept go as well, after all others: what somebody may call is
 * worth less than what somebody calls.
 *
 * The answer may free less than was asked for: where the rest is at work or has children that are.
 */
import { sumsBelow, type ZygoteNode } from './tree.ts';

export interface EvictOptions {
  /** What a zygote saves, in any unit, where more is known than its uses. */
  readonly benefitOf?: (node: ZygoteNode) => number;
  /** Ids that stay. */
  readonly keep?: ReadonlySet<number>;
  /** True where those that are to be kept go before the answer is too little. */
  readonly evenKept?: boolean;
}

/** Cold starts after which a use counts half. */
const HALF_LIFE_USES = 2000;

/** Ids of zygotes to end, children first, so that at least `overKb` are given back where that is possible. */
export function evict(tree: readonly ZygoteNode[], overKb: number, options: EvictOptions = {}): number[] {
  const chosen = choose(tree, overKb, options);
  return spare(chosen, overKb).map(({ id }) => id);
}

function choose(tree: readonly ZygoteNode[], overKb: number, options: EvictOptions): ZygoteNode[] {
  const byUses = benefitsByUses(tree);
  const benefitOf = options.benefitOf ?? (({ id }) => byUses.get(id) ?? 0);
  const children = new Map(tree.map(({ id, children }) => [id, children]));
  const left = tree
    .filter(({ id, busy, isKept }) => !busy && !options.keep?.has(id) && (!isKept || options.evenKept))
    .map((node) => ({ node, worth: benefitOf(node) / Math.max(1, node.kb) }))
    .sort(
      (a, b) =>
        Number(a.node.isKept) - Number(b.node.isKept) ||
        a.worth - b.worth ||
        a.node.lastUsed - b.node.lastUsed ||
        a.node.id - b.node.id,
    );
  const chosen: ZygoteNode[] = [];
  for (let freedKb = 0; freedKb < overKb; ) {
    const next = left.find(({ node }) => children.get(node.id) === 0);
    if (next === undefined) break;
    left.splice(left.indexOf(next), 1);
    chosen.push(next.node);
    freedKb += next.node.kb;
    const { parent } = next.node;
    if (parent !== null) children.set(parent, (children.get(parent) ?? 0) - 1);
  }
  return chosen;
}

/** Keeps whom it takes nobody to lose: the ones of most worth first, which were chosen last. */
function spare(chosen: readonly ZygoteNode[], overKb: number): ZygoteNode[] {
  let surplusKb = chosen.reduce((sum, { kb }) => sum + kb, 0) - overKb;
  const gone = new Set(chosen);
  for (const node of chosen.toReversed()) {
    const parentStays = ![...gone].some(({ id }) => id === node.parent);
    if (node.kb > surplusKb || !parentStays) continue;
    surplusKb -= node.kb;
    gone.delete(node);
  }
  return [...gone];
}

/** What each zygote saves, in ms, by how often and how recently it and those below it were used. */
export function benefitsByUses(tree: readonly ZygoteNode[]): Map<number, number> {
  const now = tree.reduce((latest, { lastUsed }) => Math.max(latest, lastUsed), 0);
  const uses = sumsBelow(tree, (node) => (node.uses + 1) * 2 ** (-(now - node.lastUsed) / HALF_LIFE_USES));
  return new Map(tree.map(({ id, importMs }) => [id, (uses.get(id) ?? 0) * importMs]));
}
