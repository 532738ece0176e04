import type { ImportZygote } from '../sandbox/zygotes.ts';
import type { Growth } from './grow.ts';
import { type PackageKey, setKey, type ZygoteNode } from './tree.ts';

export interface NodeOptions {
  /** By the counter of cold starts. */
  readonly now: number;
  /** As if it had been forked so often. */
  readonly uses: number;
  readonly isKept: boolean;
}

/** A zygote of a worker's import cache, or one that is being made. */
export class LiveNode {
  readonly id: number;
  /** Null is the root zygote. */
  readonly parent: LiveNode | null;
  readonly packages: readonly PackageKey[];
  /** Names `packages`. */
  readonly key: string;
  readonly added: readonly PackageKey[];
  /** True where it stays, whatever it is worth. */
  isKept: boolean;
  /** Settles when it is ready or has failed. Never rejects. */
  made: Promise<void> = Promise.resolve();
  /** Null while it is being made. */
  zygote: ImportZygote | null = null;
  /** What is expected, and then what was measured. */
  kb: number;
  importMs: number;
  uses: number;
  lastUsed: number;
  /** Forks that are under way. */
  forking = 0;

  constructor(id: number, parent: LiveNode | null, growth: Growth, options: NodeOptions) {
    this.id = id;
    this.isKept = options.isKept;
    this.uses = options.uses;
    this.parent = parent;
    this.packages = growth.packages;
    this.key = setKey(growth.packages);
    this.added = growth.added;
    this.kb = growth.kb;
    this.importMs = growth.importMs;
    this.lastUsed = options.now;
  }

  get depth(): number {
    return 1 + (this.parent?.depth ?? 0);
  }
}

/** The zygotes that there are, for the policies to look at. */
export class LiveTree {
  readonly #nodes = new Map<number, LiveNode>();
  #nextId = 1;

  get nodes(): LiveNode[] {
    return [...this.#nodes.values()];
  }

  get kb(): number {
    return this.nodes.reduce((sum, { kb }) => sum + kb, 0);
  }

  /** What these have together. */
  kbOf(ids: readonly number[]): number {
    return ids.reduce((sum, id) => sum + (this.get(id)?.kb ?? 0), 0);
  }

  get(id: number): LiveNode | null {
    return this.#nodes.get(id) ?? null;
  }

  /** The one that has, or will have, exactly the packages of this key. */
  find(key: string): LiveNode | null {
    return this.nodes.find((node) => node.key === key) ?? null;
  }

  add(growth: Growth, options: NodeOptions): LiveNode {
    const parent = growth.parent === null ? null : this.get(growth.parent);
    const node = new LiveNode(this.#nextId++, parent, growth, options);
    this.#nodes.set(node.id, node);
    return node;
  }

  /** False where it was not there any more. */
  remove({ id }: LiveNode): boolean {
    return this.#nodes.delete(id);
  }

  /** As plain data: those that are ready, or all, with those that are being made. */
  snapshot(which: 'ready' | 'all'): ZygoteNode[] {
    const counts = new Map<number, number>();
    for (const { parent } of this.#nodes.values())
      if (parent !== null) counts.set(parent.id, (counts.get(parent.id) ?? 0) + 1);
    return this.nodes
      .filter(({ zygote }) => which === 'all' || zygote !== null)
      .map((node) => plain(node, counts.get(node.id) ?? 0));
  }
}

function plain(node: LiveNode, children: number): ZygoteNode {
  const { id, packages, importMs, kb, uses, lastUsed, zygote, forking, isKept } = node;
  const parent = node.parent?.id ?? null;
  const busy = zygote === null || forking > 0;
  return { id, parent, packages, importMs, kb, uses, lastUsed, children, busy, isKept };
}
