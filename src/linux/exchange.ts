import { rename } from 'node:fs/promises';
import { check, errnoName, libc } from './libc.ts';

const AT_FDCWD = -100;
const RENAME_EXCHANGE = 2;

const renameat2 = libc(
  'int renameat2(int fromDir, const char *from, int toDir, const char *to, unsigned int flags)',
);

/**
 * Puts a directory in the place of whatever `path` names, which gets the directory's name: at no time is there nothing,
 * or half of something, at `path`. Both have to be there. A link is exchanged, not what it leads to.
 */
export async function exchange(dir: string, path: string): Promise<void> {
  const result = renameat2(AT_FDCWD, dir, AT_FDCWD, path, RENAME_EXCHANGE);
  // Not every file system can. Then there is nothing at `path` for a moment; a reader meets the one, nothing, or the other.
  if (result < 0 && errnoName() === 'EINVAL') return await byTurns(dir, path);
  check(result, 'renameat2', path);
}

async function byTurns(dir: string, path: string): Promise<void> {
  const aside = `${dir}.old`;
  await rename(path, aside);
  await rename(dir, path);
  await rename(aside, dir);
}
