import { execFile } from 'node:child_process';
import { chmod, lstat, mkdir, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { OlError } from '../errors.ts';

const run = promisify(execFile);

const AT_FDCWD = -100;
const RENAME_NOREPLACE = 1;

/** Tells writes of one process apart. */
let written = 0;

/**
 * Writes a file whole or not at all, also across a power cut: temporary name, fsync, rename, fsync of the directory.
 * An existing file keeps its mode; a new one gets `mode` whatever the umask. A link at `path` is replaced, not followed.
 */
export async function writeFileAtomic(path: string, data: string, mode = 0o644): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.${process.pid}.${++written}.tmp`);
  const finalMode = (await modeOf(path)) ?? mode;
  // A leftover of a killed process that had the same id.
  await rm(temporary, { force: true });
  try {
    await writeSynced(temporary, data, finalMode);
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

/** Waits until everything below `dir` is on the disk. For trees, where an fsync of each file would take long. */
export async function syncFileSystem(dir: string): Promise<void> {
  await run('sync', ['-f', dir]);
}

/** Renames to a name that must not exist: rename(2) alone would replace an empty directory. */
export async function renameToNew(from: string, to: string): Promise<void> {
  // Loaded late: only `admin new` needs the FFI here.
  const { check, errnoName, libc } = await import('../linux/libc.ts');
  const renameat2 = libc(
    'int renameat2(int fromDir, const char *from, int toDir, const char *to, unsigned int flags)',
  );
  const result = Number(renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE));
  if (result === 0) return;
  const errno = errnoName();
  if (errno === 'EEXIST') throw new OlError('ERR_CLUSTER_EXISTS', { path: to });
  // EINVAL: this file system can't; then a directory with something in it is refused still.
  if (errno !== 'EINVAL') check(result, 'renameat2', to);
  await rename(from, to);
}

/** Makes one directory with this mode whatever the umask; it must not exist. */
export async function makeDir(path: string, mode = 0o755): Promise<void> {
  await mkdir(path);
  await chmod(path, mode);
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
