import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type ClusterPaths, workerIndex, workerPaths } from '../cluster/paths.ts';
import { errnoOf } from '../registry/files.ts';
import { packagesFileOf } from './directory-users.ts';
import type { PackageUser, PackageUsers } from './users.ts';

/**
 * The copies of function code that the workers of a cluster have: each may still be served, or be again when the registry is
 * away, whatever the registry has by now.
 */
export class CopyUsers implements PackageUsers {
  readonly #paths: ClusterPaths;

  constructor(paths: ClusterPaths) {
    this.#paths = paths;
  }

  async list(): Promise<readonly PackageUser[]> {
    const found: PackageUser[] = [];
    for (const worker of await namesIn(this.#paths.workers)) {
      const index = workerIndex(worker);
      if (index === null) continue;
      const { code } = workerPaths(this.#paths, index);
      for (const name of await namesIn(code)) {
        // One that goes meanwhile is not used any more.
        for (const version of await namesIn(join(code, name))) {
          const file = await packagesFileOf(join(code, name, version));
          found.push({ name: `${name}@${worker}`, copyOf: name, ...file });
        }
      }
    }
    return found;
  }
}

/** What has no dot before it: that is being made, or removed. */
async function namesIn(dir: string): Promise<string[]> {
  try {
    return (await readdir(dir)).filter((name) => !name.startsWith('.')).sort();
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(errnoOf(error) ?? '')) return [];
    throw error;
  }
}
