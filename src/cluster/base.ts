import { lstat, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { OlError } from '../errors.ts';
import { writeFileAtomic } from '../linux/durable.ts';
import { resolveInside } from './inside.ts';

/**
 * The base image, <cluster>/base: the root that every sandbox sees, read-only. A marker file in it says where it came
 * from and which directories of the host belong to it. For `host` the image is a skeleton and `/usr` is the
 * machine's own; the other sources are complete in themselves and bind nothing.
 */
export type BaseSource = 'host' | 'dir' | 'tar' | 'docker';

export interface BaseImage {
  readonly source: BaseSource;
  /** Host directories, without the leading slash, to be bound read-only at the same path: `['usr']`. */
  readonly binds: readonly string[];
  /** The interpreter, as a path inside the image. */
  readonly python: string;
}

/** Empty directories that the engine mounts on. */
export const MOUNT_POINTS = ['dev', 'proc', 'tmp', 'host', 'handler', 'packages'] as const;

/** Directories that hold the programs: on most machines `usr` alone is one, and the others are links into it. */
export const SYSTEM_DIRS = ['usr', 'bin', 'sbin', 'lib', 'lib64', 'lib32', 'libx32'] as const;

const MARKER = '.openlambda-base.json';
const PYTHON = '/usr/bin/python3';
const REMAKE = 'make the cluster anew with `admin new --base=host`, or mend it';

/** Writes down what the base image at `path` is made of. */
export async function writeMarker(path: string, source: BaseSource, binds: readonly string[]): Promise<void> {
  const marker = { version: 1, source, binds };
  await writeFileAtomic(join(path, MARKER), `${JSON.stringify(marker)}\n`);
}

/**
 * Reads and checks the base image at `path`: the marker, that every mount point is a directory (a link could lead a
 * mount out of the image), and that Python is there. Throws ERR_BASE_IMAGE, ERR_NO_PYTHON.
 */
export async function readBase(path: string): Promise<BaseImage> {
  const { source, binds } = await readMarker(path);
  for (const name of [...MOUNT_POINTS, ...binds]) await checkDirectory(path, name);
  await checkPython(path, source);
  return { source, binds, python: PYTHON };
}

/**
 * Throws where the image has no Python that can be used. That it runs is for the engine to find out. `name` is what the
 * message calls the image.
 */
export async function checkPython(path: string, source: BaseSource, name = path): Promise<void> {
  const root = source === 'host' ? '/' : path;
  const found = await resolveInside(root, PYTHON);
  const minor = found === null ? null : /^python3\.(\d+)$/.exec(basename(found))?.[1];
  const tooOld = minor !== undefined && minor !== null && Number(minor) < 9;
  if (found !== null && !tooOld) return;
  const what = tooOld ? `it is version 3.${minor}` : 'it is not there';
  if (source !== 'host') {
    throw refused(
      name,
      `${PYTHON} of 3.9 or newer is needed in it and ${what}: install python3 in the image`,
    );
  }
  const reason = `${what}, and 3.9 or newer is needed: install the distribution's python3`;
  throw new OlError('ERR_NO_PYTHON', { path: PYTHON, reason });
}

/** Throws where `dir` in the image is anything but a directory. */
export async function checkDirectory(path: string, dir: string, name = path): Promise<void> {
  const kind = await kindOf(join(path, dir));
  if (kind === 'directory') return;
  const reason = kind === null ? `it has no directory ${dir}` : `${dir} in it is a ${kind}, not a directory`;
  throw refused(name, `${reason}: ${REMAKE}`);
}

/** What there is at `path`, links not followed; null for nothing. */
export async function kindOf(path: string): Promise<'directory' | 'link' | 'file' | null> {
  try {
    const found = await lstat(path);
    if (found.isSymbolicLink()) return 'link';
    return found.isDirectory() ? 'directory' : 'file';
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    throw error;
  }
}

export function refused(source: string, reason: string, cause?: unknown): OlError {
  return new OlError('ERR_BASE_IMAGE', { source, reason }, { cause });
}

async function readMarker(path: string): Promise<{ source: BaseSource; binds: string[] }> {
  const { version, source, binds } = await parseMarker(path);
  const known = source === 'host' || source === 'dir' || source === 'tar' || source === 'docker';
  // What is bound into every sandbox comes from this list, so nothing but system directories may be on it.
  const allowed: readonly unknown[] = source === 'host' ? SYSTEM_DIRS : [];
  if (version !== 1 || !known || !Array.isArray(binds) || !binds.every((name) => allowed.includes(name))) {
    throw refused(path, `${MARKER} in it says nothing that this version understands: ${REMAKE}`);
  }
  return { source, binds };
}

async function parseMarker(path: string): Promise<{ version?: unknown; source?: unknown; binds?: unknown }> {
  const file = join(path, MARKER);
  if ((await kindOf(file)) !== 'file') throw refused(path, `${MARKER} is missing in it: ${REMAKE}`);
  try {
    return Object(JSON.parse(await readFile(file, 'utf8')));
  } catch (cause) {
    if (cause instanceof SyntaxError) throw refused(path, `${MARKER} in it is not JSON: ${REMAKE}`, cause);
    throw cause;
  }
}
