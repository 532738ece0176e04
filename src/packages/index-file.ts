import type { Dirent } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { LockedPackage } from './lock.ts';

/** What the runtime needs to know of a lock's packages (`runtime/python/packages.py`). */
export interface Index {
  /** Each package's directory, and the top-level modules in it. */
  readonly dirs: readonly (readonly [string, readonly string[]])[];
  /** The directories that have programs in `bin`. */
  readonly bin: readonly string[];
  /** `.pth` files, each with the number of its directory. */
  readonly pth: readonly (readonly [number, string])[];
}

const PROGRAMS = 'bin';
/** Where wheels have what belongs beside site-packages and not into it. It is a module where it has an `__init__.py`. */
const DATA_DIRS = [PROGRAMS, 'share', 'etc', 'include', 'lib', 'man', 'doc', 'docs'];
const MODULE_FILE = /^([^\W\d]\w*)(?:\.[\w-]+)?\.(?:py|pyc|so)$/u;
const MODULE_DIR = /^[^\W\d]\w*$/u;

export async function makeIndex(storeDir: string, packages: readonly LockedPackage[]): Promise<Index> {
  const all = await Promise.all(packages.map(({ dir }) => readPackage(join(storeDir, dir))));
  const dirs = packages.map(({ dir }, at) => [dir, all[at]?.modules ?? []] as const);
  const bin = packages.filter((_, at) => all[at]?.hasPrograms).map(({ dir }) => dir);
  const pth = all.flatMap(({ pathFiles }, at) => pathFiles.map((name) => [at, name] as const));
  return { dirs, bin, pth };
}

/** The modules of a package that users import: not the private ones. */
export async function publicModules(storeDir: string, { dir }: LockedPackage): Promise<string[]> {
  const { modules } = await readPackage(join(storeDir, dir));
  return modules.filter((name) => !name.startsWith('_'));
}

interface Content {
  readonly modules: readonly string[];
  readonly pathFiles: readonly string[];
  readonly hasPrograms: boolean;
}

async function readPackage(dir: string): Promise<Content> {
  const entries = await readdir(dir, { withFileTypes: true });
  const names = await Promise.all(entries.map((entry) => moduleOf(dir, entry)));
  return {
    modules: [...new Set(names.filter((name) => name !== null))].sort(),
    pathFiles: entries
      .map(({ name }) => name)
      .filter((name) => name.endsWith('.pth') && !name.startsWith('.'))
      .sort(),
    hasPrograms: entries.some((entry) => entry.name === PROGRAMS && entry.isDirectory()),
  };
}

async function moduleOf(dir: string, entry: Dirent): Promise<string | null> {
  if (!entry.isDirectory()) return MODULE_FILE.exec(entry.name)?.[1] ?? null;
  if (!MODULE_DIR.test(entry.name) || entry.name === '__pycache__') return null;
  if (!DATA_DIRS.includes(entry.name)) return entry.name;
  return (await readdir(join(dir, entry.name))).includes('__init__.py') ? entry.name : null;
}
