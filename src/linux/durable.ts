import { lstat, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/** Tells writes of one process apart. */
let written = 0;

/**
 * Writes a file whole or not at all, also across a power cut: temporary name, fsync, rename, fsync of the directory.
 * An existing file keeps its mode; a new one gets `mode` whatever the umask. A link at `path` is replaced, not followed.
 */
export async function writeFileAtomic(path: string, data: string, mode = 0o644): Promise<void> {
  await replaceFile(path, data, (await modeOf(path)) ?? mode);
}

/** As `writeFileAtomic`, for nobody but its owner to read, whatever its mode was. */
export async function writeSecretAtomic(path: string, data: string): Promise<void> {
  await replaceFile(path, data, 0o600);
}

async function replaceFile(path: string, data: string, mode: number): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.${process.pid}.${++written}.tmp`);
  // A leftover of a killed process that had the same id.
  await rm(temporary, { force: true });
  try {
    await writeSynced(temporary, data, mode);
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncDir(dirname(path));
}

/** Makes the names in a directory survive a power cut. */
export async function syncDir(dir: string): Promise<void> {
  const handle = await open(dir, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function writeSynced(path: string, data: string, mode: number): Promise<void> {
  const handle = await open(path, 'wx', 0o600);
  try {
    await handle.writeFile(data);
    await handle.chmod(mode);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function modeOf(path: string): Promise<number | null> {
  try {
    const found = await lstat(path);
    return found.isFile() ? found.mode & 0o777 : null;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}
