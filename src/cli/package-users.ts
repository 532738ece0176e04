import type { ClusterPaths } from '../cluster/paths.ts';
import type { Config } from '../config/load.ts';
import { isOlError } from '../errors.ts';
import { BucketUsers } from '../packages/bucket-users.ts';
import { CopyUsers } from '../packages/copy-users.ts';
import { DirectoryUsers } from '../packages/directory-users.ts';
import type { PackageStore } from '../packages/store.ts';
import { joined, type PackageUser, type PackageUsers, unknownOf } from '../packages/users.ts';
import { openStore } from '../registry/store/open.ts';

export interface Place {
  readonly paths: ClusterPaths;
  readonly config: Config;
}

/**
 * Does `work` on those that the registry has. That is the one of the template, which the workers have: no flag and no variable
 * names another one, in which what they use might be missing.
 */
export async function withRegistryUsers<T>(
  config: Config,
  packages: PackageStore,
  work: (users: PackageUsers) => Promise<T>,
): Promise<T> {
  if (config.registryBucket === null) return await work(new DirectoryUsers(config.registryDir));
  const registry = await openStore(config);
  try {
    return await work(new BucketUsers(registry, () => packages.stage()));
  } finally {
    registry.close();
  }
}

/** As `withRegistryUsers`, with the copies that workers may go on using when a bucket has something else, or is away. */
export async function withUsers<T>(
  { config, paths }: Place,
  packages: PackageStore,
  work: (users: PackageUsers) => Promise<T>,
): Promise<T> {
  return await withRegistryUsers(config, packages, async (users) => {
    // Last: what is pulled while the bundles are read is in them as well.
    const places = config.registryBucket === null ? [users] : [users, new CopyUsers(paths)];
    return await work(joined(places));
  });
}

/** All that can be told of them, and why others can't be. */
export async function askForUsers(
  users: PackageUsers,
): Promise<{ readonly functions: readonly PackageUser[]; readonly problems: readonly string[] }> {
  try {
    const functions = await users.list();
    const problems = unknownOf(functions).map(({ name, problem }) => `${name}: ${problem}`);
    return { functions, problems };
  } catch (error) {
    if (!isOlError(error)) throw error;
    return { functions: [], problems: [error.message] };
  }
}
