import { UNKNOWN_COST } from './costs.ts';
import { matcher } from './match.ts';
import { type PackageKey, setKey } from './tree.ts';
import type { TreeFileNode } from './tree-file.ts';

/** A zygote that somebody has asked for, before or beside what a worker learns itself. */
export interface GivenNode {
  readonly parent: GivenNode | null;
  /** All that it has, its parent's packages included, sorted. */
  readonly packages: readonly PackageKey[];
  /** What it imports beyond its parent, sorted. */
  readonly added: readonly PackageKey[];
  /** What importing that is expected to take. */
  readonly importMs: number;
  /** True where it stays, whatever it is worth. */
  readonly isKept: boolean;
}

/** The nodes of a tree file, parents before their children; the root zygote is none of them. */
export function nodesOfFile(root: TreeFileNode): GivenNode[] {
  const nodes: GivenNode[] = [];
  const level = (parent: GivenNode | null, children: readonly TreeFileNode[]) =>
    children.map((file) => ({ node: nodeOfFile(parent, file), file }));
  // Level by level: what many functions have in common comes first.
  for (let now = level(null, root.children); now.length > 0; ) {
    nodes.push(...now.map(({ node }) => node));
    now = now.flatMap(({ node, file }) => level(node, file.children));
  }
  return nodes;
}

function nodeOfFile(parent: GivenNode | null, { packages, import_ms }: TreeFileNode): GivenNode {
  return {
    parent,
    packages: [...(parent?.packages ?? []), ...packages].sort(),
    added: [...packages].sort(),
    importMs: import_ms ?? packages.length * UNKNOWN_COST.selfMs,
    isKept: false,
  };
}

/** A zygote of its own for packages that are always to be there. */
export function keptNode(packages: Iterable<PackageKey>): GivenNode {
  const all = [...packages].sort();
  return {
    parent: null,
    packages: all,
    added: all,
    importMs: all.length * UNKNOWN_COST.selfMs,
    isKept: true,
  };
}

/** All zygotes that were asked for, made or not. */
export class GivenTree {
  readonly #nodes = new Map<string, GivenNode>();
  #match: ((packages: ReadonlySet<PackageKey>) => GivenNode | null) | null = null;

  get nodes(): GivenNode[] {
    return [...this.#nodes.values()];
  }

  /** Parents come before their children. Where two ask for the same packages, the first one's place is taken. */
  add(nodes: readonly GivenNode[]): void {
    for (const node of nodes) {
      const key = setKey(node.packages);
      const known = this.#nodes.get(key);
      if (known === undefined || node.isKept) this.#nodes.set(key, known ? { ...known, isKept: true } : node);
    }
    this.#match = null;
  }

  /** The one that a function with these packages would be forked from if all were there. */
  match(packages: ReadonlySet<PackageKey>): GivenNode | null {
    this.#match ??= this.#prepare();
    return this.#match(packages);
  }

  #prepare(): (packages: ReadonlySet<PackageKey>) => GivenNode | null {
    const nodes = this.nodes;
    const ids = new Map(nodes.map(({ packages }, id) => [setKey(packages), id]));
    const idOf = ({ packages }: GivenNode) => ids.get(setKey(packages)) ?? null;
    const find = matcher(
      nodes.map(({ parent, packages, importMs }, id) => ({
        id,
        parent: parent === null ? null : idOf(parent),
        packages,
        importMs,
        kb: 0,
        uses: 0,
        lastUsed: 0,
        children: 0,
        busy: false,
      })),
    );
    return (packages) => nodes[find(packages)?.id ?? -1] ?? null;
  }
}
