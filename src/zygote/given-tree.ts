import { type Costs, UNKNOWN_COST } from './costs.ts';
import { type Asked, type Matchable, match } from './match.ts';
import { type PackageKey, setKey } from './tree.ts';
import type { TreeFileNode } from './tree-file.ts';

/** A zygote that somebody has asked for, before or beside what a worker learns itself. */
export interface GivenNode {
  readonly parent: GivenNode | null;
  /** Names `packages`. */
  readonly key: string;
  /** All that it has, its parent's packages included, sorted. */
  readonly packages: readonly PackageKey[];
  /** What it imports beyond its parent, sorted. */
  readonly added: readonly PackageKey[];
  /** What importing that is expected to take. */
  readonly importMs: number;
  /** How many calls it is said to be for: as if it had been used so often. */
  readonly calls: number;
  /** True where it stays, whatever it is worth. */
  readonly isKept: boolean;
}

/**
 * The nodes of a tree file, parents before their children; the root zygote is none of them. What saves the most for its memory comes
 * first, because there may not be room for all. Where the file does not say what that is, they come level by level.
 */
export function nodesOfFile(root: TreeFileNode): GivenNode[] {
  const nodes: GivenNode[] = [];
  const waiting = childrenOf(null, withCalls(root));
  while (waiting.length > 0) {
    for (const { node, subtree } of waiting.splice(mostWorth(waiting), 1)) {
      nodes.push(node);
      waiting.push(...childrenOf(node, subtree));
    }
  }
  return nodes;
}

/** The place of the first of those that are worth the most. */
function mostWorth(waiting: readonly Waiting[]): number {
  let [at, most] = [0, -1];
  for (let index = 0; index < waiting.length; index++) {
    const worth = waiting[index]?.worth ?? -1;
    if (worth > most) [at, most] = [index, worth];
  }
  return at;
}

/** A node of a file with all below it. */
interface Subtree {
  readonly file: TreeFileNode;
  /** Calls that are forked from any of its nodes. */
  readonly calls: number;
  readonly children: readonly Subtree[];
}

interface Waiting {
  readonly node: GivenNode;
  readonly subtree: Subtree;
  readonly worth: number;
}

function withCalls(file: TreeFileNode): Subtree {
  const children = file.children.map(withCalls);
  const calls = children.reduce((sum, child) => sum + child.calls, file.calls ?? 0);
  return { file, calls, children };
}

function childrenOf(parent: GivenNode | null, { children }: Subtree): Waiting[] {
  return children.map((subtree) => ({
    node: nodeOfFile(parent, subtree.file),
    subtree,
    worth: worthOf(subtree),
  }));
}

/**
 * What is saved for the memory, in ms for each kB: by the node alone, or together with those on the way down to one of the nodes below
 * it, whichever is the most.
 */
function worthOf({ file, calls, children }: Subtree, above = { savedMs: 0, kb: 0 }): number {
  const savedMs = above.savedMs + calls * (file.import_ms ?? 0);
  const kb = above.kb + (file.kb ?? 0);
  const own = kb === 0 ? 0 : savedMs / kb;
  return children.reduce((most, child) => Math.max(most, worthOf(child, { savedMs, kb })), own);
}

function nodeOfFile(parent: GivenNode | null, { packages, import_ms, calls = 0 }: TreeFileNode): GivenNode {
  return makeNode(parent, packages, { importMs: import_ms, calls, isKept: false });
}

/** A zygote of its own for packages that are always to be there. */
export function keptNode(packages: Iterable<PackageKey>): GivenNode {
  return makeNode(null, packages, { calls: 0, isKept: true });
}

function makeNode(
  parent: GivenNode | null,
  own: Iterable<PackageKey>,
  { importMs, ...rest }: { importMs?: number | undefined; calls: number; isKept: boolean },
): GivenNode {
  const added = [...own].sort();
  const packages = [...(parent?.packages ?? []), ...added].sort();
  const expectedMs = importMs ?? added.length * UNKNOWN_COST.selfMs;
  return { parent, key: setKey(packages), packages, added, importMs: expectedMs, ...rest };
}

interface MatchableGiven extends Matchable {
  readonly given: GivenNode;
}

/** All zygotes that were asked for, made or not. */
export class GivenTree {
  readonly #nodes = new Map<string, GivenNode>();
  #matchable: readonly MatchableGiven[] | null = null;

  get nodes(): GivenNode[] {
    return [...this.#nodes.values()];
  }

  /** Parents come before their children. Where two ask for the same packages, the first one's place is taken. */
  add(nodes: readonly GivenNode[]): void {
    for (const node of nodes) {
      const known = this.#nodes.get(node.key);
      if (known === undefined) this.#nodes.set(node.key, node);
      else if (node.isKept) this.#nodes.set(node.key, { ...known, isKept: true });
    }
    this.#matchable = null;
  }

  /** The one that such a function would be forked from if all were there. */
  match(asked: Asked, costs: Costs): GivenNode | null {
    this.#matchable ??= this.#prepare();
    return match(this.#matchable, asked, costs)?.given ?? null;
  }

  #prepare(): MatchableGiven[] {
    const nodes = this.nodes;
    const ids = new Map(nodes.map(({ key }, id) => [key, id]));
    const idOf = (node: GivenNode | null) => (node === null ? null : (ids.get(node.key) ?? null));
    return nodes.map((given, id) => ({ id, parent: idOf(given.parent), packages: given.packages, given }));
  }
}
