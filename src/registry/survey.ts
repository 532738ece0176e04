import { createHash } from 'node:crypto';
import type { BigIntStats } from 'node:fs';
import { type FileHandle, lstat, readdir, readlink } from 'node:fs/promises';
import { isOlError, OlError } from '../errors.ts';
import { eachOf, handlePath, openDirectory, orInterrupted, type Place } from './files.ts';
import { Interrupted } from './interrupted.ts';
import { type CodeLimits, MAX_PATH_BYTES } from './limits.ts';
import { whyLinkRefused } from './links.ts';
import { isSkipped } from './skip.ts';
import { byPath } from './version.ts';

/** One entry of a function's directory: what it is, and a stamp that changes when its content does. */
export type Entry = { readonly path: string; readonly stamp: string } & (
  | { readonly kind: 'directory' }
  | { readonly kind: 'file'; readonly size: number; readonly executable: boolean; readonly changedMs: number }
  | { readonly kind: 'link'; readonly target: string }
);

export type FileEntry = Extract<Entry, { kind: 'file' }>;

/** What a function's directory held at one time, in the order of the paths. */
export interface Survey {
  readonly entries: readonly Entry[];
  /** The same for two surveys where nothing has changed in between. */
  readonly digest: string;
  /** When it began, and the newest change that it saw, both in ms since the epoch. */
  readonly atMs: number;
  readonly newestMs: number;
}

export interface SurveyOptions {
  readonly name: string;
  readonly limits: CodeLimits;
  /** Called with a path for each directory before it is listed, and for files that have other names elsewhere. */
  readonly watch?: (path: string) => void;
}

/** Calls of lstat at a time: no more than keep libuv's four threads busy. */
const WIDTH = 8;

/**
 * Lists all that is in an open directory, at any depth; nothing is opened but directories. Each is opened from its
 * parent's descriptor, so that no exchange of a name for a link leads out of the function.
 *
 * Throws ERR_CODE_REFUSED (limits, links that leave, devices and the like), or Interrupted.
 */
export async function survey(root: FileHandle, options: SurveyOptions): Promise<Survey> {
  const atMs = Date.now();
  const walk = new Walk(options);
  await walk.directory(root, '', 0);
  const entries = walk.entries.sort(byPath);
  const digest = createHash('sha256');
  const { dev, ino } = await root.stat({ bigint: true });
  digest.update(`${dev} ${ino}\n`);
  for (const { kind, path, stamp } of entries) digest.update(`${JSON.stringify([kind, path, stamp])}\n`);
  return { entries, digest: digest.digest('hex'), atMs, newestMs: walk.newestMs };
}

/**
 * A stamp of a file's content. The time of the last change of the inode is in it, which nobody can set: the time of the
 * last write alone is put back by rsync, tar and `cp -p`.
 */
export function stampOf(stat: BigIntStats): string {
  return `${stat.dev} ${stat.ino} ${stat.mode} ${stat.size} ${stat.mtimeNs} ${stat.ctimeNs}`;
}

class Walk {
  readonly entries: Entry[] = [];
  newestMs = 0;
  #bytes = 0;
  readonly #name: string;
  readonly #limits: CodeLimits;
  readonly #watch: (path: string) => void;

  constructor({ name, limits, watch }: SurveyOptions) {
    this.#name = name;
    this.#limits = limits;
    this.#watch = watch ?? (() => {});
  }

  async directory(handle: FileHandle, path: string, depth: number): Promise<void> {
    const here = handlePath(handle);
    // Before the listing: what comes in after it is told by the watch.
    this.#watch(here);
    const names = (await readdir(here)).filter((name) => !isSkipped(name));
    this.#checkCount(names.length);
    const inner: string[] = [];
    await eachOf(names, WIDTH, async (name) => {
      const kind = await this.#entry(here, name, this.#place(path, name));
      if (kind === 'directory') inner.push(name);
    });
    for (const name of inner) await this.#inner(here, name, this.#place(path, name), depth + 1);
  }

  async #inner(parent: string, name: string, place: Place, depth: number): Promise<void> {
    const { maxDepth } = this.#limits;
    if (depth > maxDepth) throw refused(place, `is more than ${maxDepth} directories deep`);
    const handle = await openDirectory(`${parent}/${name}`, place);
    try {
      await this.directory(handle, place.path, depth);
    } finally {
      await handle.close();
    }
  }

  async #entry(parent: string, name: string, place: Place): Promise<Entry['kind']> {
    const full = `${parent}/${name}`;
    const stat = await orInterrupted(lstat(full, { bigint: true }), place);
    const entry = await this.#describe(full, stat, place);
    if (entry.kind === 'file') this.#countFile(full, stat, entry);
    this.entries.push(entry);
    return entry.kind;
  }

  async #describe(full: string, stat: BigIntStats, place: Place): Promise<Entry> {
    const { path } = place;
    // A directory's times change with each temporary file in it; what it holds is listed anyway.
    if (stat.isDirectory()) return { kind: 'directory', path, stamp: `${stat.dev} ${stat.ino}` };
    if (stat.isFile()) return fileEntry(path, stat);
    if (!stat.isSymbolicLink()) throw refused(place, `is ${kindOf(stat)}: keep only files in it`);
    const target = await orInterrupted(readlink(full), place);
    const reason = whyLinkRefused(path, target);
    if (reason) throw refused(place, reason);
    return { kind: 'link', path, target, stamp: target };
  }

  #countFile(full: string, stat: BigIntStats, entry: FileEntry): void {
    this.#bytes += entry.size;
    this.newestMs = Math.max(this.newestMs, entry.changedMs);
    const { maxBytes } = this.#limits;
    const whole = { name: this.#name, path: `'${this.#name}'` };
    if (this.#bytes > maxBytes) throw refused(whole, `holds more than ${formatMb(maxBytes)}: leave data out`);
    // A directory's watch does not tell of writes through another name of the file.
    if (stat.nlink > 1n) watchFile(this.#watch, full, entry.path);
  }

  #checkCount(more: number): void {
    const { maxFiles } = this.#limits;
    const whole = { name: this.#name, path: `'${this.#name}'` };
    if (this.entries.length + more > maxFiles) throw refused(whole, `holds more than ${maxFiles} files`);
  }

  #place(parent: string, name: string): Place {
    const place = { name: this.#name, path: parent === '' ? name : `${parent}/${name}` };
    // U+FFFD is what stands for bytes that are no UTF-8: the file could not be found again by this name.
    if (name.includes('\ufffd')) throw refused(place, 'has a name that is not UTF-8: rename it');
    if (Buffer.byteLength(place.path) <= MAX_PATH_BYTES) return place;
    throw refused(place, `is a path of more than ${MAX_PATH_BYTES} bytes: shorten it`);
  }
}

function fileEntry(path: string, stat: BigIntStats): FileEntry {
  const executable = (stat.mode & 0o111n) !== 0n;
  const stamp = stampOf(stat);
  return { kind: 'file', path, stamp, executable, size: Number(stat.size), changedMs: Number(stat.ctimeMs) };
}

function watchFile(watch: (path: string) => void, full: string, path: string): void {
  try {
    watch(full);
  } catch (cause) {
    const gone = isOlError(cause, 'ERR_SYSCALL') && cause.fields.errno === 'ENOENT';
    throw gone ? new Interrupted('changed', path, 0, { cause }) : cause;
  }
}

function kindOf(stat: BigIntStats): string {
  if (stat.isFIFO()) return 'a FIFO';
  if (stat.isSocket()) return 'a socket';
  return 'a device';
}

function formatMb(bytes: number): string {
  return bytes >= 2 ** 20 ? `${Math.floor(bytes / 2 ** 20)} MB` : `${bytes} bytes`;
}

function refused(place: Place, reason: string): OlError {
  return new OlError('ERR_CODE_REFUSED', { ...place, reason });
}
