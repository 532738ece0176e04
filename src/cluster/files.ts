import { execFile } from 'node:child_process';
import { chmod, mkdir, rename } from 'node:fs/promises';
import { promisify } from 'node:util';
import { OlError } from '../errors.ts';

const run = promisify(execFile);

const AT_FDCWD = -100;
const RENAME_NOREPLACE = 1;

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
