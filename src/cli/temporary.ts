import { rmSync, type Stats } from 'node:fs';
import { type FileHandle, lstat, mkdtemp, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { tryDirLock } from '../linux/dir-lock.ts';
import { removeTree } from '../linux/remove-tree.ts';

const SIGNALS = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;
const PREFIX = '.ol-admin-';
/** The permissions that mkdtemp gives. */
const OWN_ALONE = 0o700;

/**
 * Does `work` with a new directory in `parent`, which is gone afterwards, also where the command is interrupted. One that is
 * killed can't remove its own, `.ol-admin-…`: the next one in the same place does.
 *
 * A directory whose owner lives is told by a lock on it, which the kernel takes back when the owner is gone.
 */
export async function withTemporaryDir<T>(parent: string, work: (dir: string) => Promise<T>): Promise<T> {
  await removeLeft(parent);
  const { dir, lock } = await makeLocked(parent);
  const remove = () => rmSync(dir, { recursive: true, force: true });
  const handlers = Object.entries(SIGNALS).map(([signal, status]) => {
    const stop = () => {
      remove();
      process.exit(status);
    };
    process.once(signal, stop);
    return () => process.off(signal, stop);
  });
  try {
    return await work(dir);
  } finally {
    for (const off of handlers) off();
    remove();
    await lock.close();
  }
}

async function makeLocked(parent: string): Promise<{ dir: string; lock: FileHandle }> {
  for (;;) {
    const dir = await mkdtemp(join(parent, PREFIX));
    const lock = await tryDirLock(dir).catch(goneIs(null));
    // Somebody who tidies up may have come in between, and taken it for one that was left.
    if (lock !== null && (await isSame(lock, dir))) return { dir, lock };
    await lock?.close();
  }
}

async function isSame(handle: FileHandle, path: string): Promise<boolean> {
  const found = await lstat(path).catch(goneIs(null));
  return found !== null && found.ino === (await handle.stat()).ino;
}

/** Only what nobody else can have put or changed there: in /tmp anybody may make a directory of such a name. */
async function removeLeft(parent: string): Promise<void> {
  for (const name of (await readdir(parent)).filter((entry) => entry.startsWith(PREFIX))) {
    const dir = join(parent, name);
    if (!isOurs(await lstat(dir).catch(goneIs(null)))) continue;
    const lock = await tryDirLock(dir).catch(goneIs(null));
    if (lock === null) continue;
    await removeTree(dir);
    await lock.close();
  }
}

function isOurs(found: Stats | null): boolean {
  if (found === null || !found.isDirectory()) return false;
  return found.uid === process.geteuid?.() && (found.mode & 0o777) === OWN_ALONE;
}

function goneIs<T>(value: T): (error: NodeJS.ErrnoException) => T {
  return (error) => {
    if (error.code === 'ENOENT') return value;
    throw error;
  };
}
