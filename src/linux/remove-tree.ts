import { mkdir, mkdtemp, readdir, rename, rm, rmdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * Removes a directory with all that is in it, whatever a sandbox has left there; no link is followed. No process may use
 * it any more. Does nothing where it is not there. Uses a directory `<dir>.flat-…` beside it where a tree is deep.
 */
export async function removeTree(dir: string): Promise<void> {
  try {
    await rm(dir, { recursive: true, force: true });
  } catch (error) {
    // A process can make directories below its own working directory, deeper than any path can say.
    if ((error as NodeJS.ErrnoException).code !== 'ENAMETOOLONG') throw error;
    await removeDeep(dir, await mkdtemp(`${dir}.flat-`));
  }
}

/** Removes all that is in a directory, which stays. */
export async function emptyDirectory(dir: string): Promise<void> {
  for (const name of await readdir(dir)) await removeTree(join(dir, name));
}

/** A directory that is there, and empty; only its owner writes to it. */
export async function makeEmpty(dir: string): Promise<void> {
  await mkdir(dir, { recursive: true, mode: 0o755 });
  await emptyDirectory(dir);
}

/** Takes every directory out of the one that it is in before it looks into it, so that no path gets long. */
async function removeDeep(dir: string, flat: string): Promise<void> {
  let taken = 1;
  await rename(dir, `${flat}/0`);
  for (let next = 0; next < taken; next++) {
    const here = Buffer.from(`${flat}/${next}/`);
    // Names are bytes, and need not be text.
    for (const entry of await readdir(here, { withFileTypes: true, encoding: 'buffer' })) {
      const path = Buffer.concat([here, entry.name]);
      if (entry.isDirectory()) await rename(path, `${flat}/${taken++}`);
      else await unlink(path);
    }
    await rmdir(here);
  }
  await rmdir(flat);
}
