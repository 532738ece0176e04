import { rm } from 'node:fs/promises';
import { isOlError, OlError } from '../../errors.ts';
import { syncFileSystemOf } from '../../linux/sync.ts';
import { unpackBundle } from '../bundle/unpack.ts';
import type { CodeCache, Held } from '../code-cache.ts';
import type { CodeLimits } from '../limits.ts';
import type { Code } from '../registry.ts';
import type { Bucket } from './bucket.ts';
import { Gate } from './gate.ts';
import type { Remembered } from './remembered.ts';

/** A version that was pulled, and what the bucket calls it. */
export interface Pulled {
  readonly code: Code;
  readonly etag: string;
  readonly bytes: number;
}

/** What a look at the bucket came to. */
export type Outcome =
  | { readonly kind: 'unchanged' }
  | ({ readonly kind: 'pulled' } & Pulled)
  /** The bundle with this ETag is none that may be unpacked. */
  | { readonly kind: 'refused'; readonly etag: string; readonly error: OlError };

export interface PullerOptions {
  readonly bucket: Bucket;
  readonly cache: CodeCache;
  readonly limits: CodeLimits;
  /** Which versions count as whole after the next start. */
  readonly remembered: Remembered;
}

/** Pulls at a time: each may take as much of the disk as one function may have. */
const WIDTH = 4;

/** Looks at the bucket for newer bundles, and unpacks them into the code cache. */
export class Puller {
  readonly #options: PullerOptions;
  readonly #gate = new Gate(WIDTH);

  constructor(options: PullerOptions) {
    this.#options = options;
  }

  /** For messages: server and bucket. */
  get place(): string {
    return this.#options.bucket.place;
  }

  /**
   * Looks once, and makes what it finds the newest version of the function. Rejects with Trouble, ERR_NO_FUNCTION and
   * ERR_CODE_CACHE_FULL.
   */
  async pull(name: string, etag: string | null): Promise<Outcome> {
    return await this.#gate.through(async () => {
      const file = this.#options.cache.temporaryFile();
      try {
        return await this.#look(name, etag, file);
      } finally {
        await rm(file, { force: true });
      }
    });
  }

  async #look(name: string, etag: string | null, file: string): Promise<Outcome> {
    const fetched = await this.#options.bucket.fetch({ key: name, etag, file });
    if (fetched.kind === 'unchanged') return fetched;
    if (fetched.kind === 'bundle') return await this.#take(name, fetched.etag, file);
    this.#options.cache.setNewest(name, null);
    throw noFunction(name, this.place);
  }

  async #take(name: string, etag: string, file: string): Promise<Outcome> {
    const { cache, limits, remembered } = this.#options;
    const staged = await cache.stage(name);
    try {
      const { version, bytes } = await unpackBundle(file, { into: staged, name, limits });
      // It was here before, was evicted, and may still be named: the disk must not have its name before it has all of it.
      if (remembered.mayName({ name, version })) await syncFileSystemOf(staged);
      const held = await cache.adopt({ name, version, bytes }, staged);
      return { kind: 'pulled', code: this.#newest(held), etag, bytes };
    } catch (error) {
      await cache.discard(name, staged);
      if (!isOlError(error, 'ERR_BUNDLE_REFUSED')) throw error;
      cache.setNewest(name, null);
      return { kind: 'refused', etag, error };
    }
  }

  #newest({ code, release }: Held): Code {
    this.#options.cache.setNewest(code.name, code);
    release();
    return code;
  }
}

function noFunction(name: string, place: string): OlError {
  const hint = `${place} has none, put it there with \`admin upload --handler=${name} --file=<bundle>\``;
  return new OlError('ERR_NO_FUNCTION', { name, hint });
}
