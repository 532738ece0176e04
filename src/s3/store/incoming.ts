import { randomUUID } from 'node:crypto';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';

/** A file that is still being written: it has no name that counts until `commit`. */
export interface Incoming {
  /** Gives it its name, which may replace another file; the caller syncs that directory. */
  commit(path: string): Promise<void>;
  /** Removes it; does nothing after a commit. */
  discard(): Promise<void>;
}

/**
 * Writes all data, and the footer made when it has ended, to a new file in `dir`, synced. On failure nothing is left there.
 * `dir` is emptied at start: a process that is killed leaves nothing else.
 */
export async function receive(
  dir: string,
  data: AsyncIterable<Buffer>,
  footer: () => Buffer,
): Promise<Incoming> {
  const temporary = join(dir, randomUUID());
  try {
    await writeAll(temporary, data, footer);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  return {
    commit: (path) => rename(temporary, path),
    discard: () => rm(temporary, { force: true }),
  };
}

async function writeAll(path: string, data: AsyncIterable<Buffer>, footer: () => Buffer): Promise<void> {
  const handle = await open(path, 'wx', 0o600);
  try {
    for await (const piece of data) await writePiece(handle, piece);
    await writePiece(handle, footer());
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** A write may take less than all of it. */
async function writePiece(handle: FileHandle, piece: Buffer): Promise<void> {
  for (let done = 0; done < piece.length; ) {
    done += (await handle.write(piece, done, piece.length - done)).bytesWritten;
  }
}
