import { lstatSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { lockDir } from '../linux/dir-lock.ts';

/**
 * Makes a file where it is missing, and holds a lock on it until what it returns is disposed of. Who has held it may have removed
 * it: what counts is the one that is there. Throws ERR_LOCKED after `waitMs`.
 */
export async function holdLockFile(path: string, waitMs: number): Promise<AsyncDisposable> {
  for (;;) {
    await using file = await open(path, 'a', 0o600);
    const held = await lockDir(path, waitMs).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return null;
      throw error;
    });
    // As long as it is open, no other one has its number.
    if (held !== null && lstatSync(path, { throwIfNoEntry: false })?.ino === (await file.stat()).ino)
      return held;
    await held?.[Symbol.asyncDispose]();
  }
}
