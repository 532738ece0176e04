import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { OlError } from '../errors.ts';
import type { CodeCache, Held } from './code-cache.ts';
import { checkQuiet, copyCode, QUIET_MS } from './copy.ts';
import { errnoOf } from './files.ts';
import { HANDLER_FILE, hasHandlerFile } from './handler-file.ts';
import { Interrupted } from './interrupted.ts';
import type { CodeLimits } from './limits.ts';
import { type Survey, survey } from './survey.ts';
import type { WatchSet } from './watches.ts';

/** What one reading found: enough to see later, without copying, that nothing has changed. */
export interface Reading {
  readonly held: Held;
  /** The digest of the survey; null where a later change could have left the same one. */
  readonly digest: string | null;
  readonly identity: string;
}

export interface ReadOptions {
  readonly name: string;
  /** The function's directory, or a link to it. */
  readonly path: string;
  readonly limits: CodeLimits;
  readonly cache: CodeCache;
  readonly watches: WatchSet;
  /** The version that is known, and the digest it was found with. */
  readonly known: { readonly digest: string | null; readonly hold: () => Held } | null;
}

/**
 * Reads a function's code once: a survey with watches set, a copy, a second survey. Where nothing has changed since the
 * known version, there is no copy. The caller drains the watches afterwards: an event since the start makes it void.
 *
 * Throws ERR_NO_FUNCTION, ERR_CODE_REFUSED, or Interrupted. Several files that are changed one after the other
 * (`git checkout`) can be met halfway: each is whole, and the next pull meets the rest.
 */
export async function readCode(options: ReadOptions): Promise<Reading> {
  const root = await openRoot(options);
  try {
    options.watches.begin();
    const before = await look(root, options, (path) => options.watches.add(path));
    options.watches.end();
    checkHandlerFile(before, options);
    const settled = before.atMs - before.newestMs > QUIET_MS;
    const { dev, ino } = await root.stat();
    const held = await obtain(root, before, options);
    return { held, digest: settled ? before.digest : null, identity: identityOf(dev, ino) };
  } finally {
    await root.close();
  }
}

/** What tells one directory from another that has taken its name. */
export function identityOf(dev: number, ino: number): string {
  return `${dev} ${ino}`;
}

async function obtain(root: FileHandle, before: Survey, options: ReadOptions): Promise<Held> {
  const { known, path, watches } = options;
  if (known && known.digest === before.digest) return known.hold();
  if (!watches.complete) checkQuiet(path, before.newestMs, before.atMs);
  return copyInto(root, before, options);
}

async function copyInto(root: FileHandle, before: Survey, options: ReadOptions): Promise<Held> {
  const { name, cache, path } = options;
  const staged = await cache.stage(name);
  try {
    const version = await copyCode({ name, root, survey: before, target: staged });
    const after = await look(root, options);
    if (after.digest !== before.digest) throw new Interrupted('changed', path);
    const bytes = before.entries.reduce((sum, entry) => sum + (entry.kind === 'file' ? entry.size : 0), 0);
    return await cache.adopt({ name, version, bytes }, staged);
  } catch (error) {
    await cache.discard(name, staged);
    throw error;
  }
}

function look(root: FileHandle, { name, limits }: ReadOptions, watch?: (path: string) => void) {
  return survey(root, watch ? { name, limits, watch } : { name, limits });
}

/** The function's directory itself may be a link: the operator keeps the registry, so this one is followed. */
async function openRoot({ name, path }: ReadOptions): Promise<FileHandle> {
  try {
    return await open(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NONBLOCK);
  } catch (cause) {
    const errno = errnoOf(cause);
    if (errno !== 'ENOENT' && errno !== 'ENOTDIR' && errno !== 'ELOOP') throw cause;
    throw noFunction(name, path, cause);
  }
}

function checkHandlerFile({ entries }: Survey, { name, path }: ReadOptions): void {
  if (hasHandlerFile(entries)) return;
  throw noFunction(name, path);
}

function noFunction(name: string, path: string, cause?: unknown): OlError {
  const hint = `write its code to ${join(path, HANDLER_FILE)}`;
  return new OlError('ERR_NO_FUNCTION', { name, hint }, { cause });
}
