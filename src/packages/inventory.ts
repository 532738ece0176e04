import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isOlError } from '../errors.ts';
import { packageOf } from './lock.ts';
import { digestOf } from './packages.ts';
import { packagesText } from './packages-file.ts';
import { parsePackagesFile, parseRequirement } from './requirements.ts';
import type { PackageStore } from './store.ts';
import { checkKnown, type PackageUser, type PackageUsers } from './users.ts';

/** A package version that is installed. */
export interface InstalledPackage {
  readonly name: string;
  readonly version: string;
  readonly dir: string;
  readonly bytes: number;
  /** Those whose locks name it: functions, copies of other code of theirs, `startup_pkgs`. */
  readonly usedBy: readonly string[];
}

/** Who may use packages: functions, and a config. */
export interface Users {
  readonly functions: readonly PackageUser[];
  readonly startupPkgs: readonly string[];
}

/** The same, where they are still to be asked for. */
export interface UsersToAsk extends Pick<Users, 'startupPkgs'> {
  readonly functions: PackageUsers;
}

export interface PruneOptions {
  /** True to remove nothing. */
  readonly isDry: boolean;
  /** How long somebody who installs a package right now is waited for. */
  readonly waitMs: number;
}

export const STARTUP = 'startup_pkgs';
/** The clock of a file system may be behind by this. */
const CLOCK_MS = 1000;

/** All that is installed, by name and version. */
export async function listPackages(store: PackageStore, users: Users): Promise<InstalledPackage[]> {
  const uses = await usesOf(store, digestsOf(users));
  const all = (await store.packages()).map((dir) => packageOf(dir)).filter((one) => one !== null);
  return await Promise.all(
    all.map(async (one) => ({
      ...one,
      bytes: await bytesOf(join(store.dir, one.dir)),
      usedBy: shownUsers(uses.get(one.dir) ?? []),
    })),
  );
}

/**
 * Removes the packages that no function's lock names, and the locks that no function has. What is installed meanwhile stays.
 * Returns what was removed; with `isDry` what would be. Throws ERR_USERS_UNKNOWN, or what asking for the users throws:
 * then nothing was removed.
 */
export async function prunePackages(
  store: PackageStore,
  { functions: source, startupPkgs }: UsersToAsk,
  { isDry, waitMs }: PruneOptions,
): Promise<InstalledPackage[]> {
  const startMs = Date.now() - CLOCK_MS;
  // First what there is, and how large, then who uses it: what comes later is in neither list, or in the second one.
  const there = await listPackages(store, { functions: [], startupPkgs: [] });
  const functions = await source.list();
  checkKnown(functions);
  const known = digestsOf({ functions, startupPkgs });
  const { kept, stale } = split(await store.keys(), (key) => known.has(digestIn(key)), startMs);
  const named = namedBy(store, kept);
  const unused = there.filter(({ dir }) => !named.has(dir));
  if (isDry) return unused;
  for (const key of stale) await store.forget(key);
  const removed: InstalledPackage[] = [];
  for (const one of unused) {
    const isRemoved = () => store.removeIf(one.dir, (dir) => isUnusedStill(store, dir, startMs));
    if (await store.exclusively([one.dir], waitMs, isRemoved)) removed.push(one);
  }
  return removed;
}

/** A worker may come to lock it at any moment, until it is gone. */
async function isUnusedStill(store: PackageStore, dir: string, startMs: number): Promise<boolean> {
  const { kept } = split(await store.keys(), () => false, startMs);
  return !namedBy(store, kept).has(dir);
}

/** The functions that have a packages.txt, or may have one. */
export function namesWithPackages(functions: readonly PackageUser[]): string[] {
  const found = functions.filter(({ packagesFile, problem }) => packagesFile !== null || problem !== null);
  return found.map(({ name }) => name);
}

/** The keys that stay, because they are known or have been written since, and the others; each once. */
function split(
  files: Awaited<ReturnType<PackageStore['keys']>>,
  isKnown: (key: string) => boolean,
  startMs: number,
): { readonly kept: ReadonlySet<string>; readonly stale: ReadonlySet<string> } {
  // A key is as new as the newest of its files: a lock may follow an old resolution.
  const fresh = files.filter(({ key, changedMs }) => changedMs >= startMs || isKnown(key));
  const kept = new Set(fresh.map(({ key }) => key));
  return { kept, stale: new Set(files.map(({ key }) => key)).difference(kept) };
}

function namedBy(store: PackageStore, keys: ReadonlySet<string>): ReadonlySet<string> {
  return new Set([...keys].flatMap((key) => store.packagesOf(key).map(({ dir }) => dir)));
}

type User = Pick<PackageUser, 'name' | 'copyOf'>;
type Digests = ReadonlyMap<string, readonly User[]>;

/** Who has the requirements that make these digests. */
function digestsOf({ functions, startupPkgs }: Users): Digests {
  const found = new Map<string, User[]>();
  const add = (digest: string, user: User) => found.set(digest, [...(found.get(digest) ?? []), user]);
  const config = { name: STARTUP, copyOf: null };
  for (const one of startupPkgs) add(digestOf(parseRequirement(one, STARTUP)), config);
  for (const user of functions) {
    if (user.packagesFile === null) continue;
    try {
      add(digestOf(parsePackagesFile(packagesText(user.packagesFile, user.name), user.name)), user);
    } catch (error) {
      // Nothing was ever installed for a file that is refused.
      if (!isOlError(error, 'ERR_PACKAGES_FILE')) throw error;
    }
  }
  return found;
}

/** The users of each directory. */
async function usesOf(store: PackageStore, known: Digests) {
  const uses = new Map<string, User[]>();
  for (const { key } of await store.keys()) {
    const users = known.get(digestIn(key)) ?? [];
    for (const { dir } of store.packagesOf(key)) uses.set(dir, [...(uses.get(dir) ?? []), ...users]);
  }
  return uses;
}

/** Each once, and copies only of what is not there itself. */
function shownUsers(users: readonly User[]): string[] {
  const names = new Set(users.map(({ name }) => name));
  const shown = users.filter(({ copyOf }) => copyOf === null || !names.has(copyOf));
  return [...new Set(shown.map(({ name }) => name))].sort();
}

function digestIn(key: string): string {
  return key.slice(0, key.indexOf('.'));
}

async function bytesOf(path: string): Promise<number> {
  const found = await lstat(path);
  if (!found.isDirectory()) return found.size;
  const sizes = await Promise.all((await readdir(path)).map((name) => bytesOf(join(path, name))));
  return sizes.reduce((sum, size) => sum + size, 0);
}
