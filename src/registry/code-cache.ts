import { chmod, mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as endOfTick } from 'node:timers/promises';
import { OlError } from '../errors.ts';
import type { Log } from '../telemetry/log.ts';
import type { Code } from './registry.ts';

interface Version {
  readonly code: Code;
  holds: number;
}

/** A version that is held for the one who adopted it, until `release`, which may be called more than once. */
export interface Held {
  readonly code: Code;
  readonly release: () => void;
}

/** Characters of the version in a directory's name: short to read, and 64 bits are enough to tell them apart. */
const DIR_CHARACTERS = 16;

/**
 * The copies of function code on the worker's disk: `<dir>/<name>/<version>`, beside copies that are being made,
 * `.tmp-…`, and ones that are being removed, `.gone-…`.
 *
 * The invariant: a version that is held, or is the newest of its function, is complete and stays. Any other goes.
 */
export class CodeCache {
  readonly #dir: string;
  readonly #log: Log;
  readonly #versions = new Map<string, Version>();
  readonly #newest = new Map<string, Code>();
  readonly #removals = new Map<string, Promise<void>>();

  private constructor(dir: string, log: Log) {
    this.#dir = dir;
    this.#log = log;
  }

  /** Makes the directory, or empties it: what an earlier worker left may be half-written. */
  static async open(dir: string, log: Log): Promise<CodeCache> {
    await mkdir(dir, { recursive: true });
    for (const left of await readdir(dir)) await rm(join(dir, left), { recursive: true });
    return new CodeCache(dir, log);
  }

  /** An empty directory to copy a function's code to. It is the caller's until it is adopted or removed. */
  async stage(name: string): Promise<string> {
    await mkdir(join(this.#dir, name), { recursive: true });
    const staged = await mkdtemp(join(this.#dir, name, '.tmp-'));
    await chmod(staged, 0o755);
    return staged;
  }

  /** Takes a staged copy in. One of this version that is here already is used again, and the new one removed. */
  async adopt(name: string, version: string, staged: string): Promise<Held> {
    const key = keyOf(name, version);
    await this.#removals.get(key);
    const known = this.#versions.get(key);
    if (known) return this.#instead(known, staged);
    const code = { name, version, dir: join(this.#dir, name, version.slice(0, DIR_CHARACTERS)) };
    await rename(staged, code.dir);
    const added = { code, holds: 0 };
    this.#versions.set(key, added);
    return this.#hold(added);
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
      this.#sweepLater(version.code);
    };
    return { code: version.code, release };
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
    this.#versions.delete(key);
    const removal = this.#remove(code).finally(() => this.#removals.delete(key));
    this.#removals.set(key, removal);
  }

  async #remove({ name, version, dir }: Code): Promise<void> {
    const gone = join(this.#dir, name, `.gone-${version.slice(0, DIR_CHARACTERS)}`);
    try {
      // Under its own name a directory is always complete.
      await rename(dir, gone);
      await rm(gone, { recursive: true });
    } catch (err) {
      // Nobody waits for this, and nothing is wrong but the space that it takes until the next start.
      this.#log.warn({ err, function: name, version }, 'an old copy of function code could not be removed');
    }
  }
}

function keyOf(name: string, version: string): string {
  return `${name}/${version}`;
}
