import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isOlError } from '../errors.ts';
import { packageOf } from './lock.ts';
import { digestOf, readPackagesFile } from './packages.ts';
import { parsePackagesFile, parseRequirement } from './requirements.ts';
import type { PackageStore } from './store.ts';

/** A package version that is installed. */
export interface InstalledPackage {
  readonly name: string;
  readonly version: string;
  readonly dir: string;
  readonly bytes: number;
  /** The functions, or `startup_pkgs`, whose locks name it. */
  readonly usedBy: readonly string[];
}

/** Who may use packages: the functions of a local registry, and a config. */
export interface Users {
  /** Null where functions are elsewhere, and nobody can say what they use. */
  readonly registryDir: string | null;
  readonly startupPkgs: readonly string[];
}

export const STARTUP = 'startup_pkgs';

/** All that is installed, by name and version. */
export async function listPackages(store: PackageStore, users: Users): Promise<InstalledPackage[]> {
  const uses = await usesOf(store, await digests(users));
  const all = (await store.packages()).map((dir) => packageOf(dir)).filter((one) => one !== null);
  return await Promise.all(
    all.map(async (one) => ({
      ...one,
      bytes: await bytesOf(join(store.dir, one.dir)),
      usedBy: [...new Set(uses.get(one.dir) ?? [])].sort(),
    })),
  );
}

/** Those whose functions are all to be seen. */
export interface KnownUsers extends Users {
  readonly registryDir: string;
}

/**
 * Removes the packages that no function's lock names, and the locks that no function has. What is installed meanwhile stays.
 * Returns what was removed; with `isDry` what would be.
 */
export async function prunePackages(
  store: PackageStore,
  users: KnownUsers,
  { isDry, waitMs }: { readonly isDry: boolean; readonly waitMs: number },
): Promise<InstalledPackage[]> {
  const startMs = Date.now();
  // First what there is, then who uses it: what comes later is in neither list, or in the second one.
  const unused = (await listPackages(store, users)).filter(({ usedBy }) => usedBy.length === 0);
  const known = await digests(users);
  const isNew = ({ changedMs }: { changedMs: number }) => changedMs >= startMs - 1000;
  const stale = (await store.keys()).filter((one) => !known.has(digestIn(one.key)) && !isNew(one));
  const left = (await store.keys()).filter((one) => !stale.some(({ key }) => key === one.key));
  const named = new Set(left.flatMap(({ key }) => store.packagesOf(key).map(({ dir }) => dir)));
  const removed = unused.filter(({ dir }) => !named.has(dir));
  if (isDry) return removed;
  for (const key of new Set(stale.map((one) => one.key))) await store.forget(key);
  for (const { dir } of removed) await store.exclusively([dir], waitMs, () => store.remove(dir));
  return removed;
}

/** The functions of a local registry that have a packages.txt. */
export async function functionsWithPackages(registryDir: string): Promise<string[]> {
  const names = (await readdir(registryDir)).filter((name) => !name.startsWith('.')).sort();
  return names.filter((name) => readIfFunction(registryDir, name) !== null);
}

/** Who has the requirements that make these digests. */
async function digests({ registryDir, startupPkgs }: Users): Promise<Map<string, string[]>> {
  const found = new Map<string, string[]>();
  const add = (digest: string, user: string) => found.set(digest, [...(found.get(digest) ?? []), user]);
  for (const one of startupPkgs) add(digestOf(parseRequirement(one, STARTUP)), STARTUP);
  if (registryDir === null) return found;
  for (const name of await functionsWithPackages(registryDir)) {
    try {
      add(digestOf(parsePackagesFile(readIfFunction(registryDir, name) ?? '', name)), name);
    } catch (error) {
      // Nothing was ever installed for a file that is refused.
      if (!isOlError(error, 'ERR_PACKAGES_FILE')) throw error;
    }
  }
  return found;
}

/** The users of each directory. */
async function usesOf(
  store: PackageStore,
  known: ReadonlyMap<string, string[]>,
): Promise<Map<string, string[]>> {
  const uses = new Map<string, string[]>();
  for (const { key } of await store.keys()) {
    for (const { dir } of store.packagesOf(key)) {
      uses.set(dir, [...(uses.get(dir) ?? []), ...(known.get(digestIn(key)) ?? [])]);
    }
  }
  return uses;
}

function digestIn(key: string): string {
  return key.slice(0, key.indexOf('.'));
}

function readIfFunction(registryDir: string, name: string): string | null {
  try {
    return readPackagesFile({ dir: join(registryDir, name), name });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOTDIR') return null;
    throw error;
  }
}

async function bytesOf(path: string): Promise<number> {
  const found = await lstat(path);
  if (!found.isDirectory()) return found.size;
  const sizes = await Promise.all((await readdir(path)).map((name) => bytesOf(join(path, name))));
  return sizes.reduce((sum, size) => sum + size, 0);
}
