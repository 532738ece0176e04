import { constants } from 'node:fs';
import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { eachOf, errnoOf } from '../registry/files.ts';
import { isFunctionName } from '../registry/names.ts';
import { PACKAGES_FILE } from './requirements.ts';
import type { PackageUser, PackageUsers } from './users.ts';

/** Directories at a time. */
const WIDTH = 8;
/** What is no directory, or has no such file in it, asks for nothing. */
const NOTHING_THERE = ['ENOENT', 'ENOTDIR'];

/** The functions of a local registry. */
export class DirectoryUsers implements PackageUsers {
  readonly #dir: string;

  constructor(registryDir: string) {
    this.#dir = registryDir;
  }

  async list(): Promise<readonly PackageUser[]> {
    const names = (await readdir(this.#dir)).filter(isFunctionName).sort();
    const found = new Map<string, PackageUser>();
    await eachOf(names, WIDTH, async (name) => {
      found.set(name, { name, copyOf: null, ...(await packagesFileOf(join(this.#dir, name))) });
    });
    return names.map((name) => found.get(name)).filter((user) => user !== undefined);
  }
}

/** The packages.txt of a directory of code. */
export async function packagesFileOf(dir: string): Promise<Pick<PackageUser, 'packagesFile' | 'problem'>> {
  const path = join(dir, PACKAGES_FILE);
  try {
    // Of a FIFO it does not wait for the other end.
    await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    if ((await file.stat()).isFile()) return { packagesFile: await file.readFile(), problem: null };
    return { packagesFile: null, problem: `${path} is no file: make it one, or remove it` };
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === null) throw error;
    if (NOTHING_THERE.includes(errno)) return { packagesFile: null, problem: null };
    return { packagesFile: null, problem: `${path} cannot be read (${errno}): make it a file that can` };
  }
}
