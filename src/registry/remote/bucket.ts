import { rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { GetObjectCommandOutput, S3Client } from '@aws-sdk/client-s3';
import type { BucketConfig } from '../../config/load.ts';
import { type Connection, connect, isNoSuchKey, placeOf, type Sdk } from './connect.ts';
import { saveBody } from './save-body.ts';
import { Stall } from './stall.ts';
import { TornAnswer, Trouble } from './trouble.ts';
import { troubleOf } from './trouble-of.ts';

/** A bundle as the bucket had it. */
export type Fetched =
  | { readonly kind: 'missing' }
  /** What has the given ETag is still what the bucket has. */
  | { readonly kind: 'unchanged' }
  | { readonly kind: 'bundle'; readonly etag: string };

export interface FetchRequest {
  readonly key: string;
  /** What is known; null for nothing. */
  readonly etag: string | null;
  /** A file that isn't there; what is there after a failure is the caller's to remove. */
  readonly file: string;
}

export interface BucketLimits {
  /** How long the server may be silent. */
  readonly timeoutMs: number;
  readonly maxBytes: number;
}

/** How long a server that can't be reached is not tried again. */
const AGAIN_MS = 1000;
/** One more try, for connections that were kept and are dead. */
const ATTEMPTS = 2;
/** Some servers replace a file while they send it, or tell the hash of the one before for a moment. */
const TORN_ATTEMPTS = 3;
const TORN_WAIT_MS = 50;

/** Reads bundles from a bucket of an S3 server. */
export class Bucket {
  readonly #config: BucketConfig;
  readonly #limits: BucketLimits;
  readonly #client: S3Client;
  readonly #sdk: Sdk;
  readonly #closing = new AbortController();
  #down: { readonly trouble: Trouble; readonly untilMs: number } | null = null;

  private constructor(config: BucketConfig, limits: BucketLimits, { client, sdk }: Connection) {
    this.#config = config;
    this.#limits = limits;
    this.#client = client;
    this.#sdk = sdk;
  }

  /** Asks nobody. */
  static async open(config: BucketConfig, limits: BucketLimits): Promise<Bucket> {
    return new Bucket(config, limits, await connect(config, { maxAttempts: ATTEMPTS }));
  }

  /** For messages: server and bucket. */
  get place(): string {
    return placeOf(this.#config);
  }

  /**
   * Writes the bundle to the file, where the bucket has another one than the known. Rejects with Trouble; at once, where the
   * server could not be reached a moment ago.
   */
  async fetch(request: FetchRequest): Promise<Fetched> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#fetchOnce(request);
      } catch (error) {
        if (!(error instanceof TornAnswer) || attempt === TORN_ATTEMPTS) throw error;
        await rm(request.file, { force: true });
        await sleep(TORN_WAIT_MS);
      }
    }
  }

  async #fetchOnce(request: FetchRequest): Promise<Fetched> {
    if (this.#down !== null && performance.now() < this.#down.untilMs) throw this.#down.trouble;
    const stall = new Stall(this.#limits.timeoutMs, this.#closing.signal);
    try {
      const fetched = await this.#get(request, stall);
      this.#down = null;
      return fetched;
    } catch (error) {
      throw this.#remember(troubleOf(error, { stall, bucket: this.#config.bucket }));
    } finally {
      stall.end();
    }
  }

  /** Ends what is under way, with Trouble. */
  close(): void {
    this.#closing.abort();
    this.#client.destroy();
  }

  async #get({ key, etag, file }: FetchRequest, stall: Stall): Promise<Fetched> {
    const command = new this.#sdk.GetObjectCommand({
      Bucket: this.#config.bucket,
      Key: key,
      ...(etag === null ? {} : { IfNoneMatch: etag }),
    });
    const response = await this.#client
      .send(command, { abortSignal: stall.signal })
      .catch((error: unknown) => answerOf(error));
    if ('kind' in response) return response;
    return await this.#take(response, { etag, file }, stall);
  }

  async #take(
    response: GetObjectCommandOutput,
    { etag, file }: Pick<FetchRequest, 'etag' | 'file'>,
    stall: Stall,
  ): Promise<Fetched> {
    const { ETag: newEtag } = response;
    if (newEtag === undefined) throw new Trouble('its answer has no ETag', { isGeneral: true });
    // A server that knows no conditions.
    if (newEtag === etag) {
      await discard(response);
      return { kind: 'unchanged' };
    }
    await saveBody(response, { file, maxBytes: this.#limits.maxBytes, onBytes: () => stall.moved() });
    return { kind: 'bundle', etag: newEtag };
  }

  #remember(trouble: Trouble): Trouble {
    if (trouble.isGeneral) this.#down = { trouble, untilMs: performance.now() + AGAIN_MS };
    return trouble;
  }
}

/** The two refusals that are answers. Throws every other one. */
function answerOf(error: unknown): Fetched {
  const { $metadata } = error as { $metadata?: { httpStatusCode?: number } };
  if ($metadata?.httpStatusCode === 304) return { kind: 'unchanged' };
  if (isNoSuchKey(error)) return { kind: 'missing' };
  throw error;
}

async function discard(response: GetObjectCommandOutput): Promise<void> {
  const body = response.Body as unknown as NodeJS.ReadableStream & { destroy(): void };
  body.destroy();
}
