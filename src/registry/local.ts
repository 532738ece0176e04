import { join, resolve } from 'node:path';
import { OlError } from '../errors.ts';
import type { Log } from '../telemetry/log.ts';
import { CodeCache } from './code-cache.ts';
import { CODE_LIMITS, type CodeLimits } from './limits.ts';
import { LocalFunction } from './local-function.ts';
import { checkFunctionName } from './names.ts';
import type { Code, Registry } from './registry.ts';
import { Watches } from './watches.ts';

export interface LocalRegistryOptions {
  /** Holds a directory, or a link to one, for each function. It need not be there yet. */
  readonly registryDir: string;
  /** Where copies go: this worker's alone, and emptied. */
  readonly codeDir: string;
  readonly log: Log;
  /** Most bytes of all copies. */
  readonly cacheMaxBytes: number;
  readonly whenFull?: () => void;
  readonly limits?: Partial<CodeLimits>;
}

/**
 * Makes a registry of a local directory: a function is a directory with a `lambda_func.py`. Throws ERR_SYSCALL where
 * there is no inotify descriptor left, and errors of node:fs where `codeDir` can't be made or emptied.
 *
 * Changes are seen by inotify, so the directory has to be one that this machine alone writes to: what another machine
 * writes to a shared file system makes no events here.
 */
export async function createLocalRegistry(options: LocalRegistryOptions): Promise<LocalRegistry> {
  const { codeDir, cacheMaxBytes: maxBytes, ...others } = options;
  const cache = await CodeCache.open({ ...others, dir: resolve(codeDir), maxBytes });
  return new LocalRegistry(options, cache, new Watches());
}

export class LocalRegistry implements Registry {
  readonly #registryDir: string;
  readonly #limits: CodeLimits;
  readonly #log: Log;
  readonly #cache: CodeCache;
  readonly #watches: Watches;
  readonly #functions = new Map<string, LocalFunction>();
  #closing: Promise<void> | null = null;

  constructor(options: LocalRegistryOptions, cache: CodeCache, watches: Watches) {
    this.#registryDir = resolve(options.registryDir);
    this.#limits = { ...CODE_LIMITS, ...options.limits };
    this.#log = options.log;
    this.#cache = cache;
    this.#watches = watches;
    cache.whenEvicted((name) => this.#functions.get(name)?.evicted());
  }

  pull(name: string): Code | Promise<Code> {
    checkFunctionName(name);
    if (this.#closing) throw new OlError('ERR_SHUTTING_DOWN', {});
    this.#watches.drain();
    const found = this.#find(name);
    const answer = found.pull();
    return answer instanceof Promise ? this.#tidyAfter(answer, name, found) : answer;
  }

  retain(code: Code): () => void {
    return this.#cache.retain(code);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await Promise.all([...this.#functions.values()].map((each) => each.settled()));
    this.#watches.close();
    await this.#cache.close();
  }

  #find(name: string): LocalFunction {
    const known = this.#functions.get(name);
    if (known) return known;
    const added = new LocalFunction({
      name,
      path: join(this.#registryDir, name),
      limits: this.#limits,
      cache: this.#cache,
      watches: this.#watches,
      log: this.#log,
    });
    this.#functions.set(name, added);
    return added;
  }

  /** Names without a function are not kept: anybody can make them up. */
  async #tidyAfter(answer: Promise<Code>, name: string, found: LocalFunction): Promise<Code> {
    try {
      return await answer;
    } finally {
      if (found.idle && this.#functions.get(name) === found) this.#functions.delete(name);
    }
  }
}
