import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '../..');

/** The files of the product that match, by their path in it. */
export function sources(patterns: readonly string[]): { readonly path: string; readonly text: string }[] {
  return globSync([...patterns], { cwd: ROOT }).map((path) => ({
    path,
    text: readFileSync(join(ROOT, path), 'utf8'),
  }));
}
