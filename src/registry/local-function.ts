import { statSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { isOlError, OlError } from '../errors.ts';
import { IN } from '../linux/inotify.ts';
import type { Log } from '../telemetry/log.ts';
import type { CodeCache, Held } from './code-cache.ts';
import { errnoOf } from './files.ts';
import { Interrupted } from './interrupted.ts';
import type { CodeLimits } from './limits.ts';
import { identityOf, type Reading, readCode } from './reading.ts';
import type { Code } from './registry.ts';
import { type Watcher, type Watches, WatchSet } from './watches.ts';

/** How long a request waits for code that is being written, or does not stop changing. */
const BUSY_MS = 2000;
/** A function that was there and is not: editors and `mv` leave a short gap between the old file and the new one. */
const GAP_MS = 200;
const RETRY_MS = 5;
/** How long a request waits for a writer where an older version could be used. */
const WRITER_MS = 100;
/** While a file is open for writing, an event tells of its end; this is for one that does not come. */
const HELD_UP_MS = 1000;

export interface LocalFunctionOptions {
  readonly name: string;
  readonly path: string;
  readonly limits: CodeLimits;
  readonly cache: CodeCache;
  readonly watches: Watches;
  readonly log: Log;
}

interface Current {
  readonly code: Code;
  readonly digest: string | null;
  readonly identity: string;
}

/**
 * One function of a local directory: its newest version, and whether that is stale.
 *
 * Stale is: an event came from one of its directories, its path leads to another directory than before, or not all of
 * it can be watched. Stale code is read again by the next pull; pulls that come meanwhile share that reading. It is void,
 * and done again, where an event came since it began. So an edit that ended before a pull is always in its answer.
 */
export class LocalFunction implements Watcher {
  readonly #options: LocalFunctionOptions;
  readonly #watches: WatchSet;
  #current: Current | null = null;
  #stale = true;
  /** Until when the known version is answered although it is stale, because somebody is writing. */
  #heldUpUntil = 0;
  /** True where something other than a write came since the last reading began: somebody may have finished. */
  #roused = false;
  /** True where a pull came since the last reading began. */
  #joined = false;
  #warned = false;
  #reading: Promise<Code> | null = null;

  constructor(options: LocalFunctionOptions) {
    this.#options = options;
    this.#watches = new WatchSet(options.watches, this);
  }

  /** True where there is nothing to keep it for: no version, and nobody looking for one. */
  get idle(): boolean {
    return this.#current === null && this.#reading === null;
  }

  /** As `Registry.pull`; the watches have just been drained. */
  pull(): Code | Promise<Code> {
    if (this.#reading) {
      // Nothing is stale any more from its beginning on, but what is known is still what was there before.
      this.#joined = true;
      return this.#reading;
    }
    if (this.#current && this.#isCurrent(this.#current)) return this.#current.code;
    this.#reading = this.#read();
    return this.#reading;
  }

  changed(mask: number): void {
    this.#stale = true;
    // Who has a file open goes on writing: no reason to look again before it is closed.
    if (mask === IN.MODIFY) return;
    this.#roused = true;
    this.#heldUpUntil = 0;
  }

  /** Its copy had to go: the next pull makes another. */
  evicted(): void {
    this.#current = null;
    this.#stale = true;
  }

  /** Returns when no reading is under way, whatever came of it. */
  async settled(): Promise<void> {
    await Promise.allSettled([this.#reading]);
  }

  #isCurrent({ identity }: Current): boolean {
    if (this.#stale ? performance.now() >= this.#heldUpUntil : !this.#watches.complete) return false;
    // One stat(2): links anywhere on the way, and the registry itself, may lead to another directory by now.
    return identity === this.#identity();
  }

  #identity(): string | null {
    try {
      const stat = statSync(this.#options.path, { throwIfNoEntry: false });
      return stat ? identityOf(stat.dev, stat.ino) : null;
    } catch (error) {
      if (errnoOf(error) === 'ELOOP') return null;
      throw error;
    }
  }

  async #read(): Promise<Code> {
    const start = performance.now();
    try {
      for (;;) {
        const outcome = await this.#tryOnce();
        if ('code' in outcome) return outcome.code;
        const waitMs = this.#patience(outcome.error, performance.now() - start);
        if (waitMs === null) return this.#giveUp(outcome.error);
        await sleep(waitMs);
      }
    } finally {
      this.#reading = null;
    }
  }

  async #tryOnce(): Promise<{ code: Code } | { error: unknown }> {
    this.#stale = false;
    this.#roused = false;
    this.#joined = false;
    this.#heldUpUntil = 0;
    try {
      const reading = await readCode({ ...this.#options, watches: this.#watches, known: this.#known() });
      return { code: this.#accept(reading) };
    } catch (error) {
      this.#stale = true;
      return { error };
    }
  }

  #known(): { digest: string | null; hold: () => Held } | null {
    const current = this.#current;
    if (!current) return null;
    const { code, digest } = current;
    return { digest, hold: () => ({ code, release: this.#options.cache.retain(code) }) };
  }

  /** In one go, with nothing awaited between the last look at the events and the answer. */
  #accept({ held, digest, identity }: Reading): Code {
    const { name, cache, watches, path } = this.#options;
    const { code } = held;
    try {
      watches.drain();
      if (this.#stale) throw new Interrupted('changed', path);
      this.#report(code);
      this.#current = { code, digest, identity };
      cache.setNewest(name, code);
      return code;
    } finally {
      held.release();
    }
  }

  #report({ name, version }: Code): void {
    const { log } = this.#options;
    if (this.#current?.code.version !== version) log.info({ function: name, version }, 'function code read');
    if (this.#watches.complete || this.#warned) return;
    this.#warned = true;
    log.warn({ function: name }, 'not every directory can be watched: raise fs.inotify.max_user_watches');
  }

  /** How many ms to wait before the next try after this error; null to give up. */
  #patience(error: unknown, elapsedMs: number): number | null {
    if (isOlError(error, 'ERR_NO_FUNCTION')) return this.#current && elapsedMs < GAP_MS ? RETRY_MS : null;
    if (!(error instanceof Interrupted) || elapsedMs >= BUSY_MS) return null;
    if (error.why !== 'writer') return error.waitMs;
    // Most writers are done in a moment, and this one may be in the way of an edit that ended before.
    if (!this.#current || elapsedMs < WRITER_MS) return RETRY_MS;
    // Who joined while this was read may have come after the end of the edit that was in the way.
    this.#options.watches.drain();
    return this.#joined && this.#roused ? 0 : null;
  }

  #giveUp(error: unknown): Code {
    if (isOlError(error, 'ERR_NO_FUNCTION')) this.#forget();
    if (!this.#current) this.#watches.clear();
    if (!(error instanceof Interrupted)) throw error;
    const { name, log } = this.#options;
    if (!this.#current) throw new OlError('ERR_CODE_BUSY', { name, path: error.path }, { cause: error });
    log.info({ function: name, path: error.path }, 'code is being written: the version before it is used');
    if (error.why === 'writer' && !this.#roused) this.#heldUpUntil = performance.now() + HELD_UP_MS;
    return this.#current.code;
  }

  #forget(): void {
    this.#current = null;
    this.#options.cache.setNewest(this.#options.name, null);
  }
}
