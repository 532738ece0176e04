import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { Readable } from 'node:stream';
import type { ListObjectsV2CommandInput, S3Client } from '@aws-sdk/client-s3';
import type { BucketConfig } from '../../config/load.ts';
import { OlError } from '../../errors.ts';
import { checkBundle } from '../bundle/check.ts';
import { eachOf, errnoOf } from '../files.ts';
import { checkFunctionName, isFunctionName } from '../names.ts';
import { type Connection, connect, isNoSuchKey, placeOf, type Sdk } from '../remote/connect.ts';
import { saveBody } from '../remote/save-body.ts';
import { Stall } from '../remote/stall.ts';
import { Trouble } from '../remote/trouble.ts';
import { troubleOf } from '../remote/trouble-of.ts';
import { md5Of } from './md5.ts';
import type { PutOptions, Store, StoredFunction } from './store.ts';

const SILENT = { debug() {}, info() {}, warn() {}, error() {} };

/** Where `put` notes the version of what is in the bundle. Who puts an object there by other means, leaves none. */
const VERSION = 'openlambda-version';
/** More than any bundle of a function may have: those of another kind are not fetched to the end. */
const MAX_BYTES = 2 ** 30;
/** Questions for versions at a time. */
const WIDTH = 8;

/** What is wrong with the file on this side, and not with the server. */
const OF_THE_DISK = new Set([
  'EEXIST',
  'ENOENT',
  'EACCES',
  'EPERM',
  'EISDIR',
  'ENOSPC',
  'EDQUOT',
  'EROFS',
  'EIO',
]);

/** The functions of a bucket on an S3 server, an object each under its name: the bundle. */
export class S3Store implements Store {
  readonly #config: BucketConfig;
  readonly #timeoutMs: number;
  readonly #sdk: Sdk;
  readonly #client: S3Client;

  private constructor(config: BucketConfig, timeoutMs: number, { sdk, client }: Connection) {
    this.#config = config;
    this.#timeoutMs = timeoutMs;
    this.#sdk = sdk;
    this.#client = client;
  }

  /** Asks nobody. `timeoutMs` is how long the server may be silent. */
  static async open(config: BucketConfig, timeoutMs: number): Promise<S3Store> {
    const connection = await connect(config, {
      // A content that is streamed can't be given twice, and the MD5 that goes with it is known by every server.
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
      // What fails is thrown; the SDK's own words would stand between ours on the terminal.
      logger: SILENT,
    });
    return new S3Store(config, timeoutMs, connection);
  }

  get place(): string {
    return placeOf(this.#config);
  }

  async list(): Promise<readonly StoredFunction[]> {
    const found: StoredFunction[] = [];
    for await (const page of this.#pages()) {
      const functions = page.filter(({ Key }) => isFunctionName(Key ?? ''));
      await eachOf(functions, WIDTH, async ({ Key: name = '', Size: bytes = 0, LastModified: changed }) => {
        const version = await this.#versionOf(name);
        found.push({ name, bytes, changedMs: changed?.getTime() ?? 0, version, problem: null });
      });
    }
    return found.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  async put(name: string, file: string, options: PutOptions = {}): Promise<string> {
    checkFunctionName(name);
    // Taken before the check: where the file changes after it, the server refuses what it gets.
    const md5 = await md5Of(file);
    const version = await checkBundle(file, { ...options, name });
    const { size } = await stat(file);
    await this.#ask(async (stall) => {
      const command = new this.#sdk.PutObjectCommand({
        ...this.#object(name),
        Body: Readable.from(watched(file, stall)),
        ContentLength: size,
        ContentMD5: md5,
        ContentType: 'application/gzip',
        Metadata: { [VERSION]: version },
      });
      await this.#client.send(command, { abortSignal: stall.signal });
    });
    return version;
  }

  async get(name: string, file: string): Promise<void> {
    checkFunctionName(name);
    await this.#ask(async (stall) => {
      const command = new this.#sdk.GetObjectCommand(this.#object(name));
      const response = await this.#client.send(command, { abortSignal: stall.signal });
      await saveBody(response, { file, maxBytes: MAX_BYTES, onBytes: () => stall.moved() });
    }, name);
  }

  async remove(name: string): Promise<void> {
    checkFunctionName(name);
    // To delete what is not there is no error for the server; and a HEAD, without a body, can't tell why it fails.
    const { Contents: found = [] } = await this.#list({ Prefix: name, MaxKeys: 1 });
    if (found[0]?.Key !== name) throw this.#notStored(name);
    await this.#ask((stall) =>
      this.#client.send(new this.#sdk.DeleteObjectCommand(this.#object(name)), { abortSignal: stall.signal }),
    );
  }

  close(): void {
    this.#client.destroy();
  }

  /** To the end: what is used by a function that a listing leaves out would be taken for unused. */
  async *#pages() {
    for (let token: string | undefined; ; ) {
      const page = await this.#list(token === undefined ? {} : { ContinuationToken: token });
      yield page.Contents ?? [];
      const { IsTruncated: isTruncated, NextContinuationToken: next } = page;
      if (isTruncated === false) return;
      // Nor has anything an end that is no listing at all, as the page of a server that is in between.
      if (isTruncated === undefined) throw this.#unlisted('its answer is no listing of a bucket');
      if (!next || next === token)
        throw this.#unlisted('its listing ends early, and does not say how it goes on');
      token = next;
    }
  }

  #unlisted(what: string): OlError {
    const reason = `${what}: look at registry_server and registry_bucket`;
    return new OlError('ERR_REGISTRY_STORE', { server: this.#config.server, reason });
  }

  async #list(which: Partial<ListObjectsV2CommandInput>) {
    const { bucket: Bucket } = this.#config;
    const command = new this.#sdk.ListObjectsV2Command({ Bucket, ...which });
    return await this.#ask((stall) => this.#client.send(command, { abortSignal: stall.signal }));
  }

  /** Null where nobody noted it, or where it has been removed since it was listed. */
  async #versionOf(name: string): Promise<string | null> {
    return await this.#ask(async (stall) => {
      const { Metadata } = await this.#head(name, stall).catch((error: unknown) => {
        if (isMissing(error)) return { Metadata: undefined };
        throw error;
      });
      const version = Metadata?.[VERSION] ?? '';
      return /^[0-9a-f]{64}$/.test(version) ? version : null;
    });
  }

  #head(name: string, stall: Stall) {
    return this.#client.send(new this.#sdk.HeadObjectCommand(this.#object(name)), {
      abortSignal: stall.signal,
    });
  }

  #object(name: string): { Bucket: string; Key: string } {
    return { Bucket: this.#config.bucket, Key: name };
  }

  #notStored(name: string, cause?: unknown): OlError {
    return new OlError('ERR_NOT_STORED', { name, place: this.place }, { cause });
  }

  /** Makes one request. What fails is told in the table's words; with a `name`, a missing object is that function's. */
  async #ask<T>(work: (stall: Stall) => Promise<T>, name?: string): Promise<T> {
    const stall = new Stall(this.#timeoutMs, new AbortController().signal);
    try {
      return await work(stall);
    } catch (cause) {
      if (name !== undefined && isMissing(cause)) throw this.#notStored(name, cause);
      if (OF_THE_DISK.has(errnoOf(cause) ?? '')) throw cause;
      const { message } = troubleOf(cause, { stall, bucket: this.#config.bucket });
      const reason = hasAnswered(cause) ? message : `${message}: start it, or set registry_server`;
      throw new OlError('ERR_REGISTRY_STORE', { server: this.#config.server, reason }, { cause });
    } finally {
      stall.end();
    }
  }
}

/** A file's content; as long as the server takes it, it is not silent. */
async function* watched(file: string, stall: Stall): AsyncGenerator<Buffer> {
  for await (const chunk of createReadStream(file)) {
    stall.moved();
    yield chunk;
  }
}

function hasAnswered(error: unknown): boolean {
  const { $metadata } = error as { $metadata?: { httpStatusCode?: number } };
  return error instanceof Trouble || $metadata?.httpStatusCode !== undefined;
}

/** A HEAD has no body that could tell a missing object from a missing bucket. */
function isMissing(error: unknown): boolean {
  return isNoSuchKey(error) || (error instanceof Error && error.name === 'NotFound');
}
