import { z } from 'zod';
import { OlError } from '../errors.ts';
import type { Costs, PackageCost } from './costs.ts';
import type { FittedNode } from './fit.ts';
import { packageKey, readInput } from './input-file.ts';
import { nameOf, type PackageKey } from './tree.ts';

/**
 * The file that `admin fit` writes, in the form of the original's `import_cache_tree`: the tree as nested objects, the outermost one the root
 * zygote. Each node has the packages that it imports beyond its parent, with whatever those import; the figures are for
 * whoever reads it. docs/import-cache.md describes it.
 */
export interface TreeFileNode {
  readonly packages: readonly PackageKey[];
  readonly import_ms?: number | undefined;
  readonly kb?: number | undefined;
  readonly calls?: number | undefined;
  readonly children: readonly TreeFileNode[];
}

/** What the fit knew of a package (`costs.ts`), in ms and kB. */
interface TreeFileCost {
  readonly self_ms: number;
  readonly shared_ms: number;
  readonly self_kb: number;
  readonly shared_kb: number;
  /** Names of the packages that importing it imports. */
  readonly imports?: readonly string[] | undefined;
}

/** The outermost node. Of packages that are in no zygote because they take next to no time, too, somebody has to know that. */
export interface TreeFile extends TreeFileNode {
  readonly costs?: Readonly<Record<PackageKey, TreeFileCost>> | undefined;
}

/** More would take gigabytes; the worker makes each one of them when it starts. */
const MAX_NODES = 10_000;

const figure = z.number('a number is expected').min(0, 'a number from 0 on is expected');

const nodeSchema = z.strictObject({
  packages: z.array(packageKey),
  import_ms: figure.optional(),
  kb: figure.optional(),
  calls: figure.optional(),
  get children(): z.ZodDefault<z.ZodArray<typeof nodeSchema>> {
    return z.array(nodeSchema).default([]);
  },
});

const costSchema = z.strictObject({
  self_ms: figure,
  shared_ms: figure,
  self_kb: figure,
  shared_kb: figure,
  imports: z.array(z.string('a name is expected')).optional(),
});
const rootSchema = nodeSchema.extend({ costs: z.record(packageKey, costSchema).optional() });

/** Reads and checks a tree file. Throws ERR_FILE_INVALID. */
export function readTreeFile(path: string): TreeFile {
  const root: TreeFile = readInput(path, rootSchema);
  const reason = complaint(root);
  if (reason !== null) throw new OlError('ERR_FILE_INVALID', { path, reason });
  return root;
}

/** A fitted tree, and what it was fitted with, as the text of a tree file. */
export function treeFileText(
  root: FittedNode,
  {
    costs,
    imports,
  }: { readonly costs: Costs; readonly imports?: ReadonlyMap<PackageKey, readonly string[]> },
): string {
  const known = [...costs].map(([key, cost]) => [key, { ...toFileCost(cost), imports: imports?.get(key) }]);
  return `${JSON.stringify({ ...toTreeFile(root), costs: Object.fromEntries(known) }, null, 1)}\n`;
}

/** What a file says that packages take; nothing where it does not. */
export function costsOfFile({ costs = {} }: TreeFile): Costs {
  return new Map(
    Object.entries(costs).map(([key, { self_ms, shared_ms, self_kb, shared_kb }]) => [
      key,
      { selfMs: self_ms, sharedMs: shared_ms, selfKb: self_kb, sharedKb: shared_kb },
    ]),
  );
}

/** What a file says that packages import, by name; nothing where it does not. */
export function importsOfFile({ costs = {} }: TreeFile): ReadonlyMap<PackageKey, readonly string[]> {
  return new Map(
    Object.entries(costs).flatMap(([key, { imports }]) => (imports === undefined ? [] : [[key, imports]])),
  );
}

/** A fitted tree in the form of the file. */
export function toTreeFile({ packages, importMs, kb, calls, children }: FittedNode): TreeFileNode {
  return {
    packages,
    import_ms: round(importMs),
    kb: Math.round(kb),
    calls,
    children: children.map(toTreeFile),
  };
}

function toFileCost({ selfMs, sharedMs, selfKb, sharedKb }: PackageCost): TreeFileCost {
  return {
    self_ms: round(selfMs),
    shared_ms: round(sharedMs),
    self_kb: Math.round(selfKb),
    shared_kb: Math.round(sharedKb),
  };
}

function round(ms: number): number {
  return Math.round(ms * 100) / 100;
}

/** What is wrong with a tree that has the right form; null for nothing. */
function complaint(root: TreeFileNode): string | null {
  if (root.packages.length > 0) return 'packages: the root zygote imports no packages, this is its node';
  const count = countNodes(root);
  if (count > MAX_NODES) return `${count} nodes: at most ${MAX_NODES} are taken`;
  return complaintBelow(root, 'the whole', new Map());
}

function countNodes({ children }: TreeFileNode): number {
  return children.reduce((sum, child) => sum + countNodes(child), 1);
}

/** `above` has the packages of the ancestors by name, each with its key. */
function complaintBelow(
  node: TreeFileNode,
  place: string,
  above: ReadonlyMap<string, PackageKey>,
): string | null {
  const all = new Map(above);
  for (const key of node.packages) {
    const other = all.get(nameOf(key));
    if (other === key) return `${place}.packages: ${key} is there already, in this node or above it`;
    if (other !== undefined) return `${place}.packages: ${key} can't be in one zygote with ${other}`;
    all.set(nameOf(key), key);
  }
  for (const [index, child] of node.children.entries()) {
    const at = place === 'the whole' ? `children[${index}]` : `${place}.children[${index}]`;
    if (child.packages.length === 0) return `${at}.packages: at least one package is expected`;
    const reason = complaintBelow(child, at, all);
    if (reason !== null) return reason;
  }
  return null;
}
