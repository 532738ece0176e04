import { resolve } from 'node:path';
import type { BucketConfig } from '../../config/load.ts';
import { OlError } from '../../errors.ts';
import type { Log } from '../../telemetry/log.ts';
import { CodeCache } from '../code-cache.ts';
import { CODE_LIMITS } from '../limits.ts';
import { checkFunctionName } from '../names.ts';
import type { Code, Registry } from '../registry.ts';
import { Bucket } from './bucket.ts';
import { Missing } from './missing.ts';
import { Puller } from './puller.ts';
import { type PulledRecord, Remembered } from './remembered.ts';
import { RemoteFunction } from './remote-function.ts';

export interface RemoteRegistryOptions {
  readonly bucket: BucketConfig;
  /** Where copies go: this worker's alone. */
  readonly codeDir: string;
  /** A file that says what was pulled, for the next start. */
  readonly pulledFile: string;
  /** Most bytes of all copies. */
  readonly cacheMaxBytes: number;
  readonly whenFull?: () => void;
  readonly checkMs: number;
  /** How long the bucket may be silent, and how long a call waits for code that is not here. */
  readonly timeoutMs: number;
  readonly log: Log;
  readonly now?: () => number;
}

/** How long a call waits to hear whether its code is still the newest. */
const PATIENCE_MS = 1000;

/**
 * Makes a registry of a bucket: a function is an object of its name, a bundle. Asks nobody yet. Throws errors of node:fs
 * where `codeDir` can't be made or tidied.
 */
export async function createRemoteRegistry(options: RemoteRegistryOptions): Promise<RemoteRegistry> {
  const { timeoutMs, log, cacheMaxBytes: maxBytes, pulledFile: file } = options;
  const codeDir = resolve(options.codeDir);
  const bucket = await Bucket.open(options.bucket, { timeoutMs, maxBytes: CODE_LIMITS.maxBytes });
  const remembered = new Remembered({ file, codeDir, place: bucket.place, log });
  const records = await remembered.read();
  const { whenFull } = options;
  const cache = await CodeCache.open(
    { dir: codeDir, maxBytes, log, ...(whenFull === undefined ? {} : { whenFull }) },
    records,
  );
  return new RemoteRegistry(options, { bucket, cache, remembered, records });
}

interface Parts {
  readonly bucket: Bucket;
  readonly cache: CodeCache;
  readonly remembered: Remembered;
  readonly records: readonly PulledRecord[];
}

export class RemoteRegistry implements Registry {
  readonly #options: RemoteRegistryOptions;
  readonly #parts: Parts;
  readonly #puller: Puller;
  readonly #missing: Missing;
  readonly #functions = new Map<string, RemoteFunction>();
  #closing: Promise<void> | null = null;

  constructor(options: RemoteRegistryOptions, parts: Parts) {
    this.#options = options;
    this.#parts = parts;
    const { bucket, cache, records, remembered } = parts;
    this.#puller = new Puller({ bucket, cache, limits: CODE_LIMITS, remembered });
    this.#missing = new Missing(options.checkMs, options.now ?? now);
    for (const record of records) this.#addKept(record);
    cache.whenEvicted((name) => this.#functions.get(name)?.evicted());
  }

  pull(name: string): Code | Promise<Code> {
    checkFunctionName(name);
    if (this.#closing) throw new OlError('ERR_SHUTTING_DOWN', {});
    this.#missing.check(name);
    const found = this.#functions.get(name) ?? this.#add(name, null);
    const answer = found.pull();
    return answer instanceof Promise ? this.#tidyAfter(answer, name, found) : answer;
  }

  retain(code: Code): () => void {
    return this.#parts.cache.retain(code);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const { bucket, cache, remembered } = this.#parts;
    bucket.close();
    await Promise.all([...this.#functions.values()].map((each) => each.settled()));
    await remembered.settled();
    await cache.close();
  }

  #add(name: string, pulled: ConstructorParameters<typeof RemoteFunction>[1]): RemoteFunction {
    const { checkMs, timeoutMs, log } = this.#options;
    const added = new RemoteFunction(
      {
        name,
        puller: this.#puller,
        log,
        checkMs,
        timeoutMs,
        patienceMs: PATIENCE_MS,
        now: this.#options.now ?? now,
        changed: () => this.#parts.remembered.save(() => this.#records()),
      },
      pulled,
    );
    this.#functions.set(name, added);
    return added;
  }

  #addKept({ name, etag, bytes }: PulledRecord): void {
    const code = this.#parts.cache.newest(name);
    if (code !== null) this.#add(name, { code, etag, bytes });
  }

  #records(): PulledRecord[] {
    return [...this.#functions.values()].flatMap(({ pulled }) => {
      if (pulled === null) return [];
      const { code, etag, bytes } = pulled;
      return [{ name: code.name, version: code.version, etag, bytes }];
    });
  }

  /** Names without a function are kept for a moment only: anybody can make them up. */
  async #tidyAfter(answer: Promise<Code>, name: string, found: RemoteFunction): Promise<Code> {
    try {
      return await answer;
    } catch (error) {
      this.#missing.remember(name, error);
      throw error;
    } finally {
      if (found.idle && this.#functions.get(name) === found) this.#functions.delete(name);
    }
  }
}

function now(): number {
  return performance.now();
}
