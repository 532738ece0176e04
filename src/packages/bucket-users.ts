import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isOlError } from '../errors.ts';
import { removeTree } from '../linux/remove-tree.ts';
import { packagesFileIn } from '../registry/bundle/check.ts';
import { eachOf } from '../registry/files.ts';
import type { Store } from '../registry/store/store.ts';
import type { PackageUser, PackageUsers } from './users.ts';

/** Bundles at a time, as a worker pulls: each may take as much of the disk as one function may have. */
const WIDTH = 4;

/** The functions of a bucket: what they use is in their bundles, which are read as a worker reads them, but not unpacked. */
export class BucketUsers implements PackageUsers {
  readonly #store: Store;
  readonly #stage: () => Promise<string>;

  /** `stage` makes an empty directory for bundles; it is removed again. */
  constructor(store: Store, stage: () => Promise<string>) {
    this.#store = store;
    this.#stage = stage;
  }

  /** Throws ERR_REGISTRY_STORE where the bucket can't be listed to its end. */
  async list(): Promise<readonly PackageUser[]> {
    const functions = await this.#store.list();
    const dir = await this.#stage();
    try {
      const bundles = new Bundles(this.#store, dir);
      const found: PackageUser[] = [];
      await eachOf(functions, WIDTH, async ({ name }) => {
        found.push(await bundles.look(name));
      });
      return found.sort((one, other) => (one.name < other.name ? -1 : 1));
    } finally {
      await removeTree(dir);
    }
  }
}

/** One reading of the bundles. */
class Bundles {
  readonly #store: Store;
  readonly #dir: string;
  /** The first one that the server did not give: it may be silent, which would be waited for as often as there are others. */
  #failed: string | null = null;

  constructor(store: Store, dir: string) {
    this.#store = store;
    this.#dir = dir;
  }

  async look(name: string): Promise<PackageUser> {
    if (this.#failed !== null)
      return unknown(name, `not asked for, after that of '${this.#failed}' had failed`);
    const file = join(this.#dir, name);
    try {
      await this.#store.get(name, file);
      return { name, copyOf: null, packagesFile: await packagesFileIn(file, { name }), problem: null };
    } catch (error) {
      // All else, as a full disk, has to do with no bundle.
      if (!isOlError(error)) throw error;
      if (error.code === 'ERR_REGISTRY_STORE') this.#failed ??= name;
      return unknown(name, error.message);
    } finally {
      await rm(file, { force: true });
    }
  }
}

function unknown(name: string, reason: string): PackageUser {
  const remedy = `try again, upload it again, or remove it with \`admin rm --handler=${name}\``;
  return { name, copyOf: null, packagesFile: null, problem: `${reason}; ${remedy}` };
}
