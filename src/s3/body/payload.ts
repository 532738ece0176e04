import { createHash, type Hash } from 'node:crypto';
import { type Authorized, isSame, UNSIGNED } from '../auth/authorize.ts';
import { S3Error } from '../errors.ts';
import type { S3Request } from '../request.ts';
import { ChunkSigner, decodeChunks } from './aws-chunked.ts';
import {
  type Checksum,
  type ChecksumAlgorithm,
  checkedValue,
  checksumInHeaders,
  createDigest,
  toAlgorithm,
} from './checksum.ts';
import type { Digest } from './crc-tables.ts';

/** A body of which every promise of the request is checked while it is read. */
export interface Payload {
  /** Data without framing. Only counts when it ends without an error (S3Error, or the connection's). */
  readonly data: AsyncIterable<Buffer>;
  /** Of the checksum in the result. */
  readonly algorithm: ChecksumAlgorithm | null;
  /** What the body was, once `data` has ended. */
  result(): PayloadResult;
}

export interface PayloadResult {
  readonly size: number;
  readonly md5: Buffer;
  readonly checksum: Checksum | null;
}

export interface PayloadOptions {
  /** Of the data; beyond it EntityTooLarge. */
  readonly maxBytes: number;
  /** Computed where the request promises no checksum. */
  readonly algorithm?: ChecksumAlgorithm | null;
  /** Whether checksums in headers are of something else than this body. */
  readonly isForeignChecksum?: boolean;
}

/** The forms of a body in chunks: whether these are signed, and whether trailers follow. */
const STREAMING: ReadonlyMap<string, { signed: boolean; trailer: boolean }> = new Map([
  ['STREAMING-AWS4-HMAC-SHA256-PAYLOAD', { signed: true, trailer: false }],
  ['STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER', { signed: true, trailer: true }],
  ['STREAMING-UNSIGNED-PAYLOAD-TRAILER', { signed: false, trailer: true }],
]);

/** Looks at what the headers promise; throws S3Error before anything is read where that cannot hold. */
export function openPayload(
  source: AsyncIterable<Buffer>,
  request: S3Request,
  authorized: Authorized,
  options: PayloadOptions,
): Payload {
  const promise = readPromise(request, authorized, options);
  if ((promise.size ?? 0) > options.maxBytes) throw new S3Error('EntityTooLarge');
  const meter = new Meter(promise, options);
  const { form } = promise;
  const data =
    form === null
      ? source
      : decodeChunks(source, {
          signer: form.signed ? new ChunkSigner(authorized) : null,
          trailers: promise.trailer === null ? [] : [promise.trailer],
          onTrailers: (values) => meter.trailers(values),
        });
  return { data: meter.measure(data), algorithm: meter.algorithm, result: () => meter.result() };
}

interface Promised {
  readonly form: { signed: boolean; trailer: boolean } | null;
  /** Of the data, where it is known ahead. */
  readonly size: number | null;
  readonly sha256: string | null;
  readonly md5: Buffer | null;
  readonly checksum: Checksum | null;
  readonly trailer: string | null;
}

function readPromise(
  { headers }: S3Request,
  { payload }: Authorized,
  { isForeignChecksum = false }: PayloadOptions,
): Promised {
  const form = STREAMING.get(payload) ?? null;
  if (form === null && payload.startsWith('STREAMING-'))
    throw new S3Error('NotImplemented', payload.slice(0, 80));
  const sha256 = /^[0-9a-f]{64}$/.test(payload) ? payload : null;
  if (form === null && sha256 === null && payload !== UNSIGNED) {
    throw new S3Error('InvalidArgument', 'x-amz-content-sha256 is none of the values that it may have');
  }
  const size = sizeOf(headers, form !== null);
  const checksum = isForeignChecksum ? null : checksumInHeaders(headers);
  const trailer = trailerOf(headers, form?.trailer === true);
  if (checksum !== null && trailer !== null)
    throw new S3Error('InvalidRequest', 'expecting a single checksum');
  return { form, size, sha256, md5: md5In(headers.get('content-md5')), checksum, trailer };
}

/** A body in chunks says itself where it ends; any other needs a length. */
function sizeOf(headers: ReadonlyMap<string, string>, isChunked: boolean): number | null {
  const text = headers.get(isChunked ? 'x-amz-decoded-content-length' : 'content-length');
  if (text === undefined && !isChunked && headers.has('transfer-encoding')) {
    throw new S3Error('MissingContentLength');
  }
  if (text === undefined) return isChunked ? null : 0;
  if (!/^\d{1,15}$/.test(text)) throw new S3Error('InvalidArgument', 'the length is not a number');
  return Number(text);
}

function trailerOf(headers: ReadonlyMap<string, string>, isExpected: boolean): string | null {
  const name = headers.get('x-amz-trailer')?.trim().toLowerCase();
  if (isExpected !== (name !== undefined)) throw new S3Error('MalformedTrailerError');
  if (name !== undefined) toAlgorithm(name);
  return name ?? null;
}

function md5In(text: string | undefined): Buffer | null {
  if (text === undefined) return null;
  const bytes = Buffer.from(text, 'base64');
  if (bytes.length !== 16 || bytes.toString('base64') !== text) throw new S3Error('InvalidDigest');
  return bytes;
}

/** Counts and digests what passes, and compares it at the end. */
class Meter {
  readonly #promise: Promised;
  readonly #maxBytes: number;
  readonly #md5 = createHash('md5');
  readonly #sha256: Hash | null;
  readonly algorithm: ChecksumAlgorithm | null;
  readonly #digest: Digest | null;
  #size = 0;
  #trailer: string | null = null;
  #result: PayloadResult | null = null;

  constructor(promise: Promised, { maxBytes, algorithm = null }: PayloadOptions) {
    this.#promise = promise;
    this.#maxBytes = maxBytes;
    this.#sha256 = promise.sha256 === null ? null : createHash('sha256');
    const promised = promise.trailer === null ? promise.checksum?.algorithm : toAlgorithm(promise.trailer);
    this.algorithm = promised ?? algorithm;
    this.#digest = this.algorithm === null ? null : createDigest(this.algorithm);
  }

  trailers(values: ReadonlyMap<string, string>): void {
    this.#trailer = values.get(this.#promise.trailer ?? '') ?? null;
  }

  async *measure(data: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    const max = Math.min(this.#maxBytes, this.#promise.size ?? this.#maxBytes);
    for await (const piece of data) {
      this.#size += piece.length;
      if (this.#size > max) {
        throw new S3Error(this.#size > this.#maxBytes ? 'EntityTooLarge' : 'IncompleteBody');
      }
      this.#md5.update(piece);
      this.#sha256?.update(piece);
      this.#digest?.update(piece);
      yield piece;
    }
    this.#result = this.#compare();
  }

  result(): PayloadResult {
    if (this.#result === null) throw new Error('the body has not been read to its end');
    return this.#result;
  }

  #compare(): PayloadResult {
    const { size, sha256, md5: promisedMd5, checksum } = this.#promise;
    if (size !== null && size !== this.#size) throw new S3Error('IncompleteBody');
    if (this.#sha256 !== null && !isSame(this.#sha256.digest('hex'), sha256 ?? '')) {
      throw new S3Error('XAmzContentSHA256Mismatch');
    }
    const md5 = this.#md5.digest();
    if (promisedMd5 !== null && !promisedMd5.equals(md5)) throw new S3Error('BadDigest');
    return { size: this.#size, md5, checksum: this.#checksum(this.#trailer ?? checksum?.value ?? null) };
  }

  #checksum(promised: string | null): Checksum | null {
    if (this.algorithm === null || this.#digest === null) return null;
    const value = this.#digest.digest('base64');
    if (promised !== null && checkedValue(this.algorithm, promised) !== value) throw new S3Error('BadDigest');
    return { algorithm: this.algorithm, value, type: 'full' };
  }
}
