/**
 * A tree of zygotes for a budget, from a list of calls, offline.
 *
 * This is Forklift's way ("Forklift: Fitting Zygote Trees for Faster Package Initialization", WoSC10;
 * open-lambda/forklift): start with the root, which all calls are forked from; again and again split the node, by the
 * packages, that have the best utility; the calls that have the packages move to the new child; until the tree is as large
 * as it may be. Greedy, as decision trees are grown: the best tree is out of reach (already choosing sets of packages within
 * a budget is a knapsack), and a step that looks at every split of every node is good enough and quick.
 *
 * What is different here:
 *
 * 1. The bound is memory and not a number of nodes, and the utility is ms saved for each kB held: a zygote with pandas is worth
 *    as much as ten small ones only where it saves as much as those do. The children share their parent's memory, so a child
 *    costs what it imports itself, and a process.
 * 2. A split takes all that its calls have in common (`candidates.ts`), in one node.
 * 3. To a new node move all calls that it leaves less to import, from wherever they were: a worker looks for the best zygote in
 *    the whole tree (`match.ts`), and not down the branch that a call was sorted into first.
 * 4. What costs too much for what is left of the budget is passed over, not the end.
 * 5. The times and sizes are those of each package's own share, with the standard library's counted once (`costs.ts`).
 */
import { type Candidate, candidatesAt, type Place, ratio } from './candidates.ts';
import { type Costs, leftMsWhere } from './costs.ts';
import type { CallGroup, Statistics } from './statistics.ts';
import { isWithin, type PackageKey } from './tree.ts';

/** A node of a fitted tree. The root has no packages. */
export interface FittedNode {
  /** What is imported in it beyond its parent, sorted. */
  readonly packages: readonly PackageKey[];
  readonly importMs: number;
  readonly kb: number;
  /** Calls of the list that are forked from it, and not from a child. */
  readonly calls: number;
  readonly children: readonly FittedNode[];
}

interface Growing {
  readonly added: readonly PackageKey[];
  readonly cost: { readonly ms: number; readonly kb: number };
  readonly children: Growing[];
  place: Place;
  /** What could be made below it; made anew when its calls have changed. */
  candidates: readonly Candidate[];
  /** What is left to import of what a call loads (`leftMsWhere`). */
  readonly leftMs: (loads: Iterable<PackageKey>) => number;
}

/** The tree for these calls that takes no more than `budgetKb`. */
export function fitTree(statistics: Statistics, budgetKb: number): FittedNode {
  const { groups, costs } = statistics;
  const root = makeNode({ packages: [], groups }, { added: [], cost: { ms: 0, kb: 0 } }, costs);
  root.candidates = candidatesAt(root.place, statistics);
  const nodes = [root];
  for (let freeKb = budgetKb; ; ) {
    const split = bestSplit(nodes, freeKb);
    if (split === null) return toFitted(root);
    const { node: parent, candidate } = split;
    const packages = [...parent.place.packages, ...candidate.added];
    const child = makeNode({ packages, groups: [] }, candidate, costs);
    parent.children.push(child);
    const changed = nodes.filter((node) => moveCalls(node, child));
    for (const node of [...changed, child]) node.candidates = candidatesAt(node.place, statistics);
    nodes.push(child);
    freeKb -= child.cost.kb;
  }
}

/** The first of the best, so that the same input gives the same tree. */
function bestSplit(
  nodes: readonly Growing[],
  freeKb: number,
): { node: Growing; candidate: Candidate } | null {
  let best: { node: Growing; candidate: Candidate } | null = null;
  for (const node of nodes) {
    for (const candidate of node.candidates) {
      if (candidate.cost.kb > freeKb) continue;
      if (best === null || ratio(candidate) > ratio(best.candidate)) best = { node, candidate };
    }
  }
  return best;
}

function makeNode(place: Place, { added, cost }: Pick<Candidate, 'added' | 'cost'>, costs: Costs): Growing {
  return { added, cost, children: [], place, candidates: [], leftMs: leftMsWhere(costs, place.packages) };
}

/** Moves the calls that the other node leaves less to import. False where there are none. */
function moveCalls(from: Growing, to: Growing): boolean {
  const isBetter = ({ packages, loads }: CallGroup) =>
    isWithin(to.place.packages, packages) && to.leftMs(loads) < from.leftMs(loads);
  const { moving = [], staying = [] } = Object.groupBy(from.place.groups, (group) =>
    isBetter(group) ? 'moving' : 'staying',
  );
  if (moving.length === 0) return false;
  from.place = { ...from.place, groups: staying };
  to.place = { ...to.place, groups: [...to.place.groups, ...moving] };
  return true;
}

function toFitted({ added, cost, place, children }: Growing): FittedNode {
  return {
    packages: added,
    importMs: cost.ms,
    kb: cost.kb,
    calls: countCalls(place.groups),
    children: children.map(toFitted),
  };
}

function countCalls(groups: readonly CallGroup[]): number {
  return groups.reduce((sum, { calls }) => sum + calls, 0);
}
