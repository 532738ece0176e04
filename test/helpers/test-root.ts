import { realpathSync } from 'node:fs';
import { mkdir, mkdtemp, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * Everything that a test file makes on the disk is below this directory, which only exists as long as something is in it.
 * So whatever names it (a claim, a command line) belongs to this file's tests and to nobody else.
 */
export const TEST_ROOT = join(realpathSync(tmpdir()), `ol-test-${process.pid}`);

/** A new directory below the root. */
export async function makeTestDir(): Promise<string> {
  await mkdir(TEST_ROOT, { recursive: true });
  return await mkdtemp(join(TEST_ROOT, 'd-'));
}

/** Removes the root when nothing is in it any more. */
export async function removeEmptyRoot(): Promise<void> {
  try {
    await rmdir(TEST_ROOT);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT' && code !== 'ENOTEMPTY') throw error;
  }
}
