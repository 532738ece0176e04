import { readOnlyMount } from '../../linux/mounts.ts';
import type { Code } from '../../registry/registry.ts';
import type { Log } from '../../telemetry/log.ts';
import type { ScratchBound } from '../scratch/scratch-bound.ts';
import { parseCompiled, storeCompiled } from './compiled-files.ts';
import type { Spare } from './spare.ts';

const LIMITS = { body: Buffer.from('{}'), timeoutMs: 60_000, responseMaxBytes: 64 * 1024 * 1024 };
/** Code that is used once is compiled by the sandbox that uses it; the second one says that there will be more. */
const USES = 2;

export interface CompilerOptions {
  /** A sandbox that has no code yet, and the cache tag of its interpreter. */
  readonly take: () => Promise<{ readonly spare: Spare; readonly cacheTag: string }>;
  readonly scratchBound: ScratchBound;
  readonly log: Log;
}

/**
 * Compiles each version of a function's code once, in the background, in a sandbox of its own: compiling is open to
 * attacks by what is compiled. What comes of it is only used by sandboxes of the same version.
 */
export class Compiler {
  readonly #options: CompilerOptions;
  readonly #uses = new WeakMap<Code, number>();
  /** One after another. */
  #last: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(options: CompilerOptions) {
    this.#options = options;
  }

  /** Tells that a sandbox of this version has been started. */
  used(code: Code): void {
    const uses = (this.#uses.get(code) ?? 0) + 1;
    this.#uses.set(code, uses);
    if (uses === USES) this.#last = this.#last.then(() => this.#compile(code));
  }

  /** Begins no more; resolves when what is under way has ended, which the end of its zygote hastens. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#last;
  }

  async #compile(code: Code): Promise<void> {
    if (this.#isClosed) return;
    try {
      await this.#compileIn(code);
    } catch (error) {
      // Nothing depends on it: each sandbox goes on compiling for itself.
      const { name, version } = code;
      if (!this.#isClosed)
        this.#options.log.warn({ err: error, function: name, version }, 'code was not compiled ahead');
    }
  }

  async #compileIn(code: Code): Promise<void> {
    const { spare, cacheTag } = await this.#options.take();
    const watched = this.#options.scratchBound.watch({
      id: `${code.name}/compiler`,
      scratchDir: spare.scratch.dir.path,
      pid: () => spare.process.pid(),
      overScratch: () => spare.process.kill(),
      hidesScratch: () => spare.process.kill(),
    });
    try {
      using mount = readOnlyMount(code.dir);
      spare.process.compile(mount.fd);
      const { body } = await spare.pipe.exchange(LIMITS);
      storeCompiled(code.dir, cacheTag, parseCompiled(body));
    } finally {
      watched.end();
      spare.process.kill();
      await spare.gone;
    }
  }
}
