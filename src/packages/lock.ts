import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { Lock, LockedPackage } from '../sandbox/lock.ts';

export type { Lock, LockedPackage } from '../sandbox/lock.ts';

/** A package version that was chosen, and the sha256 of each file of the index that it may be installed from. */
export interface ResolvedPackage extends LockedPackage {
  readonly hashes: readonly string[];
}

const NAME = /^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/;
/** As PEP 440 writes them, without `-`: a directory's name can be taken apart again. */
const VERSION = /^[A-Za-z0-9][A-Za-z0-9.+!_]{0,100}$/;
const HASH = /^sha256:[0-9a-f]{64}$/;
const DIR = /^[a-z0-9][A-Za-z0-9.+!_-]{0,250}$/;
/** Enough to tell two files of one version apart, of which nobody can make one to fit. */
const TAG_CHARACTERS = 16;
const REQUIREMENT_LINE =
  /^([^\s=;[\]]+)(?:\[[^\]]*\])?==([^\s;]+)\s*(?:;[^-]*)?((?:\s+--hash=sha256:[0-9a-f]{64})+)$/;

const locked = {
  name: z.string().regex(NAME),
  version: z.string().regex(VERSION),
  dir: z.string().regex(DIR),
};
const lockSchema = z.strictObject({
  id: z.string().regex(/^[0-9a-f]{64}$/),
  packages: z.array(z.strictObject(locked)),
  imports: z.array(z.string()),
});
const resolvedSchema = z.array(z.strictObject({ ...locked, hashes: z.array(z.string().regex(HASH)) }));

export function sha256(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex');
}

export function makeLock(packages: readonly LockedPackage[], imports: readonly string[]): Lock {
  const plain = packages.map(({ name, version, dir }) => ({ name, version, dir }));
  const sorted = plain.sort((one, other) => (one.name < other.name ? -1 : 1));
  return { id: sha256([sorted, imports]), packages: sorted, imports };
}

/** The package that a directory of the store is; null where it is none. */
export function packageOf(dir: string): LockedPackage | null {
  const [, name, version] = /^([a-z0-9][a-z0-9-]*)-([^-]+)-[0-9a-f]{16}$/.exec(dir) ?? [];
  return name === undefined || version === undefined ? null : { name, version, dir };
}

/** Throws where it is not what `makeLock` made. */
export function parseLock(text: string): Lock {
  return lockSchema.parse(JSON.parse(text));
}

/** Throws where it is not what `parseResolution` made. */
export function parseResolved(text: string): ResolvedPackage[] {
  return resolvedSchema.parse(JSON.parse(text));
}

/**
 * Reads what a resolver has written, `name==version --hash=…` with lines joined by backslashes: hostile input. Null where it
 * is anything else. A package's directory is named after its files' hashes: whoever claims other files for a version gets
 * another directory, and not the one that others use. `interpreter` says what it is compiled for.
 */
export function parseResolution(text: string, interpreter: string): ResolvedPackage[] | null {
  const lines = text.replaceAll(/\\\r?\n/g, ' ').split(/\r?\n/);
  const wanted = lines.map((line) => line.trim()).filter((line) => line !== '' && !line.startsWith('#'));
  const packages = wanted.map((line) => resolvedPackage(line, interpreter));
  const found = packages.filter((one) => one !== null);
  const isUnique = new Set(found.map(({ name }) => name)).size === packages.length;
  return isUnique ? found : null;
}

function resolvedPackage(line: string, interpreter: string): ResolvedPackage | null {
  // One space at most: two parts of the pattern that take spaces try all ways to share many of them, which takes for ever.
  const [, written = '', version = '', options = ''] = REQUIREMENT_LINE.exec(line.replace(/\s+/g, ' ')) ?? [];
  const name = written.toLowerCase().replace(/[-_.]+/g, '-');
  if (!NAME.test(name) || !VERSION.test(version)) return null;
  const hashes = options
    .trim()
    .split(/\s+/)
    .map((option) => option.replace('--hash=', ''))
    .sort();
  const tag = sha256([interpreter, hashes]).slice(0, TAG_CHARACTERS);
  return { name, version, dir: `${name}-${version}-${tag}`, hashes };
}
