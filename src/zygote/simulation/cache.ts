import { type Costs, ZYGOTE_KB } from '../costs.ts';
import { evict } from '../evict.ts';
import { type GrowOptions, grow } from '../grow.ts';
import { type Asked, match } from '../match.ts';
import { CallStatistics, type Statistics } from '../statistics.ts';
import type { PackageKey, ZygoteNode } from '../tree.ts';
import type { TreeFileNode } from '../tree-file.ts';
import { makeMs, type Origin, ROOT, zygoteCost } from './model.ts';

type Node = { -readonly [K in keyof ZygoteNode]: ZygoteNode[K] };

/** A zygote that is being made. */
export interface Making {
  readonly makeMs: number;
  finish(): void;
}

/** An import cache of the same policies as a worker's, whose zygotes are numbers. */
export class SimulatedCache {
  /** What the model knows; the policies see only what a worker would have measured. */
  readonly #costs: Costs;
  readonly #budgetKb: number;
  readonly #nodes = new Map<number, Node>();
  readonly #statistics: CallStatistics;
  #nextId = 1;
  #starts = 0;
  made = 0;
  evicted = 0;
  peakKb = 0;

  constructor({ costs, requires }: Omit<Statistics, 'groups'>, budgetKb: number, known: Costs = new Map()) {
    this.#costs = costs;
    this.#budgetKb = budgetKb;
    this.#statistics = new CallStatistics(known, requires);
  }

  get size(): number {
    return this.#nodes.size;
  }

  get usedKb(): number {
    return [...this.#nodes.values()].reduce((sum, { kb }) => sum + kb, 0);
  }

  /** Makes the zygotes of a tree; it is there when the worker starts, so it takes no time here. */
  plant(tree: TreeFileNode, parent: number | null = null): void {
    for (const { packages, children, calls = 0 } of tree.children) {
      const node = this.#add(parent, packages);
      node.uses = calls;
      node.busy = false;
      this.peakKb = Math.max(this.peakKb, this.usedKb);
      this.plant({ packages: [], children }, node.id);
    }
  }

  /** The zygote for such a function, and how deep it is in the tree; 0 is the root. */
  startFrom(asked: Asked): { origin: Origin; depth: number } {
    this.#starts++;
    const ready = [...this.#nodes.values()].filter(({ busy }) => !busy);
    const best = match(ready, asked, this.#statistics.costs);
    const node = best === null ? undefined : this.#nodes.get(best.id);
    if (node === undefined) return { origin: ROOT, depth: 0 };
    node.uses++;
    node.lastUsed = this.#starts;
    const path = this.#pathOf(node);
    const totalKb = path.reduce((sum, { kb }) => sum + kb, 0);
    return { origin: { packages: node.packages, totalKb }, depth: path.length };
  }

  note({ packages, loads }: Asked): void {
    this.#statistics.noteCall(packages, loads);
  }

  /** Begins the zygote that the policy wants next; null where it wants none. */
  grow(options: GrowOptions = {}): Making | null {
    const growth = grow([...this.#nodes.values()], this.#statistics, this.#budgetKb, options);
    if (growth === null) return null;
    for (const id of growth.evict) this.#remove(id);
    const node = this.#add(growth.parent, growth.added);
    const measuredKb = node.kb;
    node.kb = growth.kb;
    const finish = () => this.#finish(node, growth.added, measuredKb);
    return { makeMs: makeMs(node.importMs), finish };
  }

  /** Its memory is known now. Where it is more than was expected, and too much, the least worthy go. */
  #finish(node: Node, added: readonly PackageKey[], kb: number): void {
    node.busy = false;
    node.kb = kb;
    const there = node.packages.filter((key) => !added.includes(key));
    this.#statistics.noteImport(added, { ms: node.importMs, kb: Math.max(0, kb - ZYGOTE_KB) }, there);
    const gone = evict([...this.#nodes.values()], this.usedKb - this.#budgetKb);
    for (const id of gone) this.#remove(id);
    this.peakKb = Math.max(this.peakKb, this.usedKb);
  }

  #add(parent: number | null, added: readonly PackageKey[]): Node {
    const above = this.#originOf(parent);
    const { ms, kb } = zygoteCost(this.#costs, added, above);
    const id = this.#nextId++;
    const packages = [...above.packages, ...added];
    const fresh = { uses: 0, lastUsed: this.#starts, children: 0, busy: true, isKept: false };
    const node: Node = { id, parent, packages, importMs: ms, kb, ...fresh };
    this.#nodes.set(id, node);
    this.#countChild(parent, 1);
    this.made++;
    return node;
  }

  #remove(id: number): void {
    const node = this.#nodes.get(id);
    if (node === undefined) return;
    this.#nodes.delete(id);
    this.#countChild(node.parent, -1);
    this.evicted++;
  }

  #countChild(parent: number | null, by: number): void {
    const node = parent === null ? undefined : this.#nodes.get(parent);
    if (node !== undefined) node.children += by;
  }

  #originOf(id: number | null): Origin {
    const node = id === null ? undefined : this.#nodes.get(id);
    return node === undefined ? ROOT : { packages: node.packages, totalKb: node.kb };
  }

  /** From the node up to the child of the root. */
  #pathOf(node: Node): Node[] {
    const parent = node.parent === null ? undefined : this.#nodes.get(node.parent);
    return parent === undefined ? [node] : [node, ...this.#pathOf(parent)];
  }
}
