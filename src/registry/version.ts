import { createHash } from 'node:crypto';

/** One entry of a function's directory, as far as its version depends on it. */
export type Item = { readonly path: string } & (
  | { readonly kind: 'directory' }
  | { readonly kind: 'file'; readonly executable: boolean }
  | { readonly kind: 'link'; readonly target: string }
);

/** The order that a version is computed in. */
export function byPath(a: { readonly path: string }, b: { readonly path: string }): number {
  return a.path < b.path ? -1 : 1;
}

/**
 * The version of a function: the sha256 of all paths, kinds, targets and contents, whatever the registry that they come
 * from. `items` are in the order of `byPath`; `contents` has the sha256 of each file's content by its path.
 */
export function versionOf(items: readonly Item[], contents: ReadonlyMap<string, string>): string {
  const version = createHash('sha256');
  for (const item of items) version.update(`${manifestLine(item, contents)}\n`);
  return version.digest('hex');
}

function manifestLine(item: Item, contents: ReadonlyMap<string, string>): string {
  const { kind, path } = item;
  if (kind === 'link') return JSON.stringify([kind, path, item.target]);
  if (kind === 'directory') return JSON.stringify([kind, path]);
  return JSON.stringify([kind, path, item.executable, contents.get(path) ?? null]);
}
