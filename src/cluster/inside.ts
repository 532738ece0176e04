import { lstat, readlink } from 'node:fs/promises';
import { join } from 'node:path';

/** As many links as the kernel follows before it gives up. */
const MAX_LINKS = 40;

/**
 * The path on the host of what a program whose root is `root` sees as the file `path`: links are followed as chroot
 * would, never out of `root`. Null where there is no such file.
 */
export async function resolveInside(root: string, path: string): Promise<string | null> {
  const todo = path.split('/').reverse();
  let done: string[] = [];
  for (let links = 0; links <= MAX_LINKS; ) {
    const part = todo.pop();
    if (part === undefined) return join(root, ...done);
    if (part === '' || part === '.') continue;
    if (part === '..') {
      done.pop();
      continue;
    }
    const target = await linkTarget(join(root, ...done, part));
    if (target === 'missing') return null;
    if (target === 'no link') done.push(part);
    else {
      links++;
      if (target.path.startsWith('/')) done = [];
      todo.push(...target.path.split('/').reverse());
    }
  }
  return null;
}

async function linkTarget(path: string): Promise<'missing' | 'no link' | { path: string }> {
  try {
    if (!(await lstat(path)).isSymbolicLink()) return 'no link';
    return { path: await readlink(path) };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return 'missing';
    throw error;
  }
}
