import { createHash } from 'node:crypto';
import type { Authorized } from '../auth/authorize.ts';
import { isSame } from '../auth/authorize.ts';
import { scopeText, sha256Hex, sign } from '../auth/canonical.ts';
import { S3Error } from '../errors.ts';
import { ByteReader } from './byte-reader.ts';

export interface ChunkedOptions {
  /** What the first chunk's signature follows; null where chunks are not signed. */
  readonly signer: ChunkSigner | null;
  /** Names of the trailers that have to come, in lower case; none where this is empty. */
  readonly trailers: readonly string[];
  /** Is given the trailers' values when all has come and all signatures are right. */
  readonly onTrailers: (values: ReadonlyMap<string, string>) => void;
}

/** A size, an extension with a signature, and no more. */
const CHUNK_LINE_MAX = 128;
const TRAILER_LINE_MAX = 512;
const SIGNATURE_TRAILER = 'x-amz-trailer-signature';

/**
 * Takes the framing off a body in the content encoding aws-chunked: `<hex size>[;chunk-signature=<hex>]\r\n<data>\r\n`, a chunk
 * of size 0 without data, trailers `name:value\r\n`, and an empty line. Data is given out before its chunk's signature
 * is checked: it only counts when this ends without an error (S3Error).
 */
export async function* decodeChunks(
  source: AsyncIterable<Buffer>,
  { signer, trailers, onTrailers }: ChunkedOptions,
): AsyncGenerator<Buffer> {
  const reader = new ByteReader(source);
  for (;;) {
    const { size, signature } = parseChunkLine(await reader.line(CHUNK_LINE_MAX), signer !== null);
    const hash = createHash('sha256');
    for (let left = size; left > 0; ) {
      const data = await reader.some(left);
      left -= data.length;
      if (signer !== null) hash.update(data);
      yield data;
    }
    signer?.checkChunk(hash.digest('hex'), signature);
    if (size === 0) break;
    if ((await reader.line(0)) !== '') throw new S3Error('IncompleteBody', 'a chunk is longer than its size');
  }
  const values = await readTrailers(reader, trailers, signer);
  if (!(await reader.isAtEnd()))
    throw new S3Error('IncompleteBody', 'there is something after the last chunk');
  onTrailers(values);
}

function parseChunkLine(line: string, isSigned: boolean): { size: number; signature: string } {
  const [, hex, signature] = /^([0-9a-fA-F]{1,10})(?:;chunk-signature=([0-9a-f]{64}))?$/.exec(line) ?? [];
  if (hex === undefined) throw new S3Error('InvalidRequest', 'the head of a chunk is malformed');
  if (isSigned !== (signature !== undefined)) {
    throw new S3Error(
      'SignatureDoesNotMatch',
      isSigned ? 'a chunk has no signature' : 'a chunk has a signature',
    );
  }
  return { size: Number.parseInt(hex, 16), signature: signature ?? '' };
}

async function readTrailers(
  reader: ByteReader,
  expected: readonly string[],
  signer: ChunkSigner | null,
): Promise<ReadonlyMap<string, string>> {
  const values = new Map<string, string>();
  for (;;) {
    const line = await reader.line(TRAILER_LINE_MAX);
    if (line === '') break;
    const colon = line.indexOf(':');
    const name = line.slice(0, Math.max(0, colon)).toLowerCase();
    const isKnown = expected.includes(name) || (name === SIGNATURE_TRAILER && expected.length > 0);
    if (!isKnown || values.has(name)) throw new S3Error('MalformedTrailerError');
    values.set(name, line.slice(colon + 1).trim());
  }
  const signature = values.get(SIGNATURE_TRAILER) ?? '';
  values.delete(SIGNATURE_TRAILER);
  if (values.size !== expected.length) throw new S3Error('MalformedTrailerError');
  if (expected.length > 0) signer?.checkTrailers(values, signature);
  return values;
}

/** Checks the chain of signatures: each covers the one before it, the first that of the header. */
export class ChunkSigner {
  readonly #authorized: Authorized;
  #previous: string;

  constructor(authorized: Authorized) {
    this.#authorized = authorized;
    this.#previous = authorized.signature;
  }

  /** Throws SignatureDoesNotMatch. */
  checkChunk(hash: string, signature: string): void {
    this.#check('AWS4-HMAC-SHA256-PAYLOAD', [sha256Hex(''), hash], signature);
  }

  /** Throws SignatureDoesNotMatch. */
  checkTrailers(values: ReadonlyMap<string, string>, signature: string): void {
    const text = [...values].map(([name, value]) => `${name}:${value}\n`).join('');
    this.#check('AWS4-HMAC-SHA256-TRAILER', [sha256Hex(text)], signature);
  }

  #check(algorithm: string, hashes: readonly string[], signature: string): void {
    const { key, time, scope } = this.#authorized;
    const text = [algorithm, time, scopeText(scope), this.#previous, ...hashes].join('\n');
    if (!isSame(sign(key, text), signature)) throw new S3Error('SignatureDoesNotMatch', 'in the body');
    this.#previous = signature;
  }
}
