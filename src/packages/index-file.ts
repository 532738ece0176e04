import { constants, type Dirent } from 'node:fs';
import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { LockedPackage } from './lock.ts';
import { normalizeName } from './requirements.ts';

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
const METADATA_DIR = '.dist-info';
/** The description comes after the headers, and may be long. */
const MAX_METADATA = 256 * 1024;
const REQUIRED = /^Requires-Dist:[ \t]*([A-Za-z0-9][A-Za-z0-9._-]*)/gim;
/** A package that requires more does not tell: what it says is walked through at each cold start. */
const MAX_REQUIRED = 300;
/** Not there, a link, a directory. */
const NO_FILE = ['ENOENT', 'ELOOP', 'EISDIR', 'ENXIO'];
const MODULE_FILE = /^([^\W\d]\w*)(?:\.[\w-]+)?\.(?:py|pyc|so)$/u;
const MODULE_DIR = /^[^\W\d]\w*$/u;

/** Of a package that is installed. */
export interface PackageFacts {
  /** Its top-level modules, without the private ones. */
  readonly modules: readonly string[];
  /** The names of what it requires, normalised; null where it does not tell. */
  readonly requires: readonly string[] | null;
}

export async function makeIndex(storeDir: string, packages: readonly LockedPackage[]): Promise<Index> {
  const all = await Promise.all(packages.map(({ dir }) => readPackage(join(storeDir, dir))));
  const dirs = packages.map(({ dir }, at) => [dir, all[at]?.modules ?? []] as const);
  const bin = packages.filter((_, at) => all[at]?.hasPrograms).map(({ dir }) => dir);
  const pth = all.flatMap(({ pathFiles }, at) => pathFiles.map((name) => [at, name] as const));
  return { dirs, bin, pth };
}

/** What is known of a package that is installed. */
export async function aboutPackage(storeDir: string, one: LockedPackage): Promise<PackageFacts> {
  const dir = join(storeDir, one.dir);
  const { modules, metadata } = await readPackage(dir);
  const requires = metadata === null ? null : await readRequires(join(dir, metadata));
  return { modules: modules.filter(isPublic), requires };
}

/** The modules of a package that users import: not the private ones. */
export async function publicModules(storeDir: string, { dir }: LockedPackage): Promise<string[]> {
  const { modules } = await readPackage(join(storeDir, dir));
  return modules.filter(isPublic);
}

const isPublic = (name: string) => !name.startsWith('_');

/** By the package's own metadata: `Requires-Dist`, also what is required in some cases only. Null where there is none. */
async function readRequires(metadataDir: string): Promise<string[] | null> {
  const head = await readStart(join(metadataDir, 'METADATA'), MAX_METADATA);
  if (head === null) return null;
  const [headers = ''] = head.split(/\r?\n\r?\n/, 1);
  const names = new Set([...headers.matchAll(REQUIRED)].map(([, name = '']) => normalizeName(name)));
  return names.size > MAX_REQUIRED ? null : [...names].sort();
}

/** Null where there is no such file. A package may have anything in its place. */
async function readStart(path: string, maxBytes: number): Promise<string | null> {
  try {
    await using file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(maxBytes), 0, maxBytes, 0);
    return buffer.toString('utf8', 0, bytesRead);
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    if (NO_FILE.includes(code)) return null;
    throw error;
  }
}

interface Content {
  readonly modules: readonly string[];
  readonly pathFiles: readonly string[];
  readonly hasPrograms: boolean;
  /** The directory of its metadata; null where it has none. */
  readonly metadata: string | null;
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
    metadata: entries.find(({ name }) => name.endsWith(METADATA_DIR))?.name ?? null,
    hasPrograms: entries.some((entry) => entry.name === PROGRAMS && entry.isDirectory()),
  };
}

async function moduleOf(dir: string, entry: Dirent): Promise<string | null> {
  if (!entry.isDirectory()) return MODULE_FILE.exec(entry.name)?.[1] ?? null;
  if (!MODULE_DIR.test(entry.name) || entry.name === '__pycache__') return null;
  if (!DATA_DIRS.includes(entry.name)) return entry.name;
  return (await readdir(join(dir, entry.name))).includes('__init__.py') ? entry.name : null;
}
