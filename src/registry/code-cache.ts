import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, rename, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as endOfTick } from 'node:timers/promises';
import { OlError } from '../errors.ts';
import type { Log } from '../telemetry/log.ts';
import { errnoOf } from './files.ts';
import type { Code } from './registry.ts';

interface Version {
  readonly code: Code;
  readonly bytes: number;
  holds: number;
}

/** A version that is held for the one who adopted it, until `release`, which may be called more than once. */
export interface Held {
  readonly code: Code;
  readonly release: () => void;
}

/** A complete copy in a directory of its own that the cache is to have. */
export interface Copy {
  readonly name: string;
  readonly version: string;
  /** What its files hold. */
  readonly bytes: number;
}

export interface CodeCacheOptions {
  readonly dir: string;
  /** Of all versions together; one that is held stays beyond it. */
  readonly maxBytes: number;
  readonly log: Log;
  /** Called where a version does not fit because of those that are held; something may let go of one. */
  readonly whenFull?: () => void;
}

const BYTES_PER_MB = 1024 * 1024;

/** Characters of the version in a directory's name: short to read, and 64 bits are enough to tell them apart. */
const DIR_CHARACTERS = 16;

/**
 * The copies of function code on the worker's disk: `<dir>/<name>/<version>`, beside copies that are being made,
 * `.tmp-…`, and ones that are being removed, `.gone-…`.
 *
 * The invariant: a version that is held, or is the newest of its function, is complete and stays; any other goes. Where
 * they take more than the bound, the newest version of a function goes as well, if nobody holds it: first the one that
 * was let go of longest ago.
 */
export class CodeCache {
  readonly #options: CodeCacheOptions;
  /** The one held last comes last. */
  readonly #versions = new Map<string, Version>();
  readonly #newest = new Map<string, Code>();
  readonly #removals = new Map<string, Promise<void>>();
  #bytes = 0;
  #files = 0;
  #forget: (name: string) => void = () => {};

  private constructor(options: CodeCacheOptions) {
    this.#options = options;
  }

  /**
   * Makes the directory, and empties it: what an earlier worker left may be half-written. Only the copies that are to be
   * `kept`, which are known to be complete, stay as far as there is room, each as the newest of its function.
   */
  static async open(options: CodeCacheOptions, kept: readonly Copy[] = []): Promise<CodeCache> {
    const cache = new CodeCache(options);
    await mkdir(options.dir, { recursive: true });
    for (const copy of kept) cache.#keep(copy);
    await cache.#removeOthers();
    return cache;
  }

  /** Says whom to tell that the newest version of a function had to go. */
  whenEvicted(forget: (name: string) => void): void {
    this.#forget = forget;
  }

  /** The newest version of a function, where there is one. */
  newest(name: string): Code | null {
    return this.#newest.get(name) ?? null;
  }

  /** A path that is not used yet, for a file that is gone after the next start. */
  temporaryFile(): string {
    return join(this.#options.dir, `.file-${++this.#files}`);
  }

  /** An empty directory to copy a function's code to. It is the caller's until it is adopted or discarded. */
  async stage(name: string): Promise<string> {
    const parent = join(this.#options.dir, name);
    for (;;) {
      await mkdir(parent).catch(ignore('EEXIST'));
      try {
        const staged = await mkdtemp(join(parent, '.tmp-'));
        await chmod(staged, 0o755);
        return staged;
      } catch (error) {
        // The function's last version went in between, and its directory with it.
        ignore('ENOENT')(error);
      }
    }
  }

  /** Removes a staged copy that is not to be adopted; one that was is left alone. */
  async discard(name: string, staged: string): Promise<void> {
    await rm(staged, { recursive: true, force: true });
    await this.#removeEmpty(name);
  }

  /**
   * Takes a staged copy in. One of this version that is here already is used again, and the new one removed. Throws
   * ERR_CODE_CACHE_FULL, and the staged copy is still the caller's.
   */
  async adopt(copy: Copy, staged: string): Promise<Held> {
    const key = keyOf(copy.name, copy.version);
    await this.#removals.get(key);
    const known = this.#versions.get(key);
    if (known) return this.#instead(known, staged);
    this.#makeRoom(copy);
    const added = this.#add(copy);
    const held = this.#hold(added);
    try {
      await rename(staged, added.code.dir);
      return held;
    } catch (error) {
      this.#drop(added);
      throw error;
    }
  }

  /** Says which version of a function is the newest; null says that there is no such function any more. */
  setNewest(name: string, code: Code | null): void {
    const before = this.#newest.get(name);
    if (code) this.#newest.set(name, code);
    else this.#newest.delete(name);
    if (before && before !== code) this.#sweepLater(before);
  }

  /** As `Registry.retain`. */
  retain(code: Code): () => void {
    const version = this.#versions.get(keyOf(code.name, code.version));
    if (version) return this.#hold(version).release;
    const reason = `version ${code.version} of '${code.name}' was retained after it had been removed`;
    throw new OlError('ERR_INTERNAL', { reason });
  }

  /** Returns when no removal is due or under way. */
  async close(): Promise<void> {
    await endOfTick();
    await Promise.all(this.#removals.values());
  }

  #add({ name, version, bytes }: Copy): Version {
    const code = { name, version, dir: join(this.#options.dir, name, version.slice(0, DIR_CHARACTERS)) };
    const added = { code, bytes, holds: 0 };
    this.#versions.set(keyOf(name, version), added);
    this.#bytes += bytes;
    return added;
  }

  #keep(copy: Copy): void {
    // The bound may be lower than it was.
    if (this.#bytes + copy.bytes > this.#options.maxBytes) return;
    const added = this.#add(copy);
    if (existsSync(added.code.dir)) this.#newest.set(copy.name, added.code);
    else this.#drop(added);
  }

  #drop({ code, bytes }: Version): void {
    this.#versions.delete(keyOf(code.name, code.version));
    this.#bytes -= bytes;
  }

  /** What goes is counted as gone: it is, a moment later. */
  #makeRoom({ name, bytes }: Copy): void {
    const { maxBytes, whenFull } = this.#options;
    let over = this.#bytes + bytes - maxBytes;
    for (const { code, bytes: its, holds } of this.#versions.values()) {
      if (over <= 0) return;
      if (holds > 0) continue;
      over -= its;
      if (this.#newest.get(code.name) === code) this.#evict(code);
    }
    if (over <= 0) return;
    whenFull?.();
    const mb = Math.ceil(bytes / BYTES_PER_MB);
    throw new OlError('ERR_CODE_CACHE_FULL', { name, mb, limitMb: Math.floor(maxBytes / BYTES_PER_MB) });
  }

  #evict(code: Code): void {
    this.#options.log.info({ function: code.name, version: code.version }, 'code evicted: the cache is full');
    this.setNewest(code.name, null);
    this.#forget(code.name);
  }

  async #instead(known: Version, staged: string): Promise<Held> {
    const held = this.#hold(known);
    try {
      await rm(staged, { recursive: true });
      return held;
    } catch (error) {
      held.release();
      throw error;
    }
  }

  #hold(version: Version): Held {
    version.holds += 1;
    let held = true;
    const release = () => {
      if (!held) return;
      held = false;
      version.holds -= 1;
      this.#released(version);
    };
    return { code: version.code, release };
  }

  #released(version: Version): void {
    const key = keyOf(version.code.name, version.code.version);
    if (version.holds > 0 || this.#versions.get(key) !== version) return;
    this.#versions.delete(key);
    this.#versions.set(key, version);
    this.#sweepLater(version.code);
  }

  /** Not at once: who has just been given this version has until the end of the tick to retain it. */
  #sweepLater(code: Code): void {
    setImmediate(() => this.#sweep(code));
  }

  #sweep(code: Code): void {
    const key = keyOf(code.name, code.version);
    const version = this.#versions.get(key);
    // Another one of the same version may have come since: it is not ours to remove.
    if (version?.code !== code || version.holds > 0 || this.#newest.get(code.name) === code) return;
    this.#drop(version);
    const removal = this.#remove(code).finally(() => this.#removals.delete(key));
    this.#removals.set(key, removal);
  }

  async #remove({ name, version, dir }: Code): Promise<void> {
    const gone = join(this.#options.dir, name, `.gone-${version.slice(0, DIR_CHARACTERS)}`);
    try {
      // Under its own name a directory is always complete.
      await rename(dir, gone);
      await rm(gone, { recursive: true });
      await this.#removeEmpty(name);
    } catch (err) {
      // Nobody waits for this, and nothing is wrong but the space that it takes until the next start.
      const { log } = this.#options;
      log.warn({ err, function: name, version }, 'an old copy of function code could not be removed');
    }
  }

  /** A worker may see any number of functions come and go. */
  async #removeEmpty(name: string): Promise<void> {
    await rmdir(join(this.#options.dir, name)).catch(ignore('ENOTEMPTY', 'ENOENT'));
  }

  async #removeOthers(): Promise<void> {
    const kept = new Set([...this.#newest.values()].map(({ dir }) => dir));
    const { dir } = this.#options;
    for (const name of await readdir(dir)) {
      if (!this.#newest.has(name)) await rm(join(dir, name), { recursive: true });
      else
        for (const copy of await readdir(join(dir, name)))
          if (!kept.has(join(dir, name, copy))) await rm(join(dir, name, copy), { recursive: true });
    }
  }
}

/** Throws what is none of these. */
function ignore(...codes: readonly string[]): (error: unknown) => void {
  return (error) => {
    if (!codes.includes(errnoOf(error) ?? '')) throw error;
  };
}

function keyOf(name: string, version: string): string {
  return `${name}/${version}`;
}
