import { randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open, unlink } from 'node:fs/promises';
import { join } from 'node:path';

/** The same on all machines that we run on, beside O_DIRECTORY. */
const O_TMPFILE = 0o20_000_000 | constants.O_DIRECTORY;
/** What file systems say that have no such files; EISDIR is of kernels that do not know the flag. */
const UNKNOWN = new Set(['EOPNOTSUPP', 'ENOTSUP', 'EISDIR', 'EINVAL']);

/**
 * Opens a new file on the file system of `dir` that has no name: it is gone when it is closed, also by a `kill -9`. To read
 * and write, for its owner alone.
 */
export async function openAnonymous(dir: string): Promise<FileHandle> {
  try {
    return await open(dir, O_TMPFILE | constants.O_RDWR, 0o600);
  } catch (error) {
    if (!UNKNOWN.has((error as NodeJS.ErrnoException).code ?? '')) throw error;
    return await openUnlinked(dir);
  }
}

/** For file systems without O_TMPFILE: it has a name for a moment. */
export async function openUnlinked(dir: string): Promise<FileHandle> {
  const path = join(dir, `.ol-${randomUUID()}`);
  const file = await open(path, 'wx+', 0o600);
  try {
    await unlink(path);
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}
