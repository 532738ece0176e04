import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { S3Error } from '../errors.ts';
import { Crc32c, Crc64Nvme, type Digest } from './crc-tables.ts';

/** Digests that S3 keeps beside an object, and their length in bytes. */
const LENGTHS = { crc32: 4, crc32c: 4, crc64nvme: 8, sha1: 20, sha256: 32 } as const;

export type ChecksumAlgorithm = keyof typeof LENGTHS;
export const CHECKSUM_ALGORITHMS = Object.keys(LENGTHS) as readonly ChecksumAlgorithm[];

export interface Checksum {
  readonly algorithm: ChecksumAlgorithm;
  /** Base64. Of the whole object, or for `composite` of its parts' checksums, with `-<parts>` behind it. */
  readonly value: string;
  readonly type: 'full' | 'composite';
}

const HEADER = 'x-amz-checksum-';
/** These say something about checksums and are none. */
const ABOUT = ['algorithm', 'type', 'mode'];

export function checksumHeader(algorithm: ChecksumAlgorithm): string {
  return `${HEADER}${algorithm}`;
}

export function createDigest(algorithm: ChecksumAlgorithm): Digest {
  switch (algorithm) {
    case 'crc32':
      return new Crc32();
    case 'crc32c':
      return new Crc32c();
    case 'crc64nvme':
      return new Crc64Nvme();
    default:
      return createHash(algorithm);
  }
}

class Crc32 implements Digest {
  #value = 0;

  update(data: Buffer): void {
    this.#value = crc32(data, this.#value);
  }

  digest(): string {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32BE(this.#value);
    return bytes.toString('base64');
  }
}

/** The one checksum that headers promise, or null. Throws InvalidRequest for two, an unknown or a malformed one. */
export function checksumInHeaders(headers: ReadonlyMap<string, string>): Checksum | null {
  const names = [...headers.keys()].filter((name) => name.startsWith(HEADER));
  const found = names.filter((name) => !ABOUT.includes(name.slice(HEADER.length)));
  if (found.length > 1) throw new S3Error('InvalidRequest', 'expecting a single x-amz-checksum- header');
  const [name] = found;
  if (name === undefined) return null;
  const algorithm = toAlgorithm(name);
  return { algorithm, value: checkedValue(algorithm, headers.get(name) ?? ''), type: 'full' };
}

/** From the name of a header or a trailer. Throws InvalidRequest. */
export function toAlgorithm(header: string): ChecksumAlgorithm {
  const name = header.slice(HEADER.length).toLowerCase() as ChecksumAlgorithm;
  if (!header.startsWith(HEADER) || !CHECKSUM_ALGORITHMS.includes(name)) {
    throw new S3Error(
      'InvalidRequest',
      'the checksum has to be one of crc32, crc32c, crc64nvme, sha1, sha256',
    );
  }
  return name;
}

/** Throws InvalidRequest where the value cannot be one of this algorithm. */
export function checkedValue(algorithm: ChecksumAlgorithm, value: string): string {
  const bytes = Buffer.from(value, 'base64');
  if (bytes.length !== LENGTHS[algorithm] || bytes.toString('base64') !== value) {
    throw new S3Error('InvalidRequest', `the value for ${checksumHeader(algorithm)} is invalid`);
  }
  return value;
}

/** For what comes back from the disk. */
export function isChecksum(found: unknown): found is Checksum {
  if (typeof found !== 'object' || found === null) return false;
  const { algorithm, value, type } = found as Partial<Record<keyof Checksum, unknown>>;
  const isKnown = CHECKSUM_ALGORITHMS.some((name) => name === algorithm);
  return isKnown && typeof value === 'string' && (type === 'full' || type === 'composite');
}
