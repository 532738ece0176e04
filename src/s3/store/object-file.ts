import { createHash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import type { Checksum } from '../body/checksum.ts';
import { isChecksum } from '../body/checksum.ts';

/**
 * An object is one file: its bytes, then what is known about it as JSON, then the length of that JSON (4 bytes, big-endian)
 * and a magic word. So both appear with one rename, bytes are read from offset 0, and a file that was cut off anywhere
 * does not end in the word.
 */
export interface ObjectMeta {
  readonly key: string;
  /** Without quotes. */
  readonly etag: string;
  /** In bytes. */
  readonly size: number;
  /** In whole seconds, as HTTP tells it. */
  readonly modifiedMs: number;
  /** Headers that are given back as they came: content-type and its like, and x-amz-meta-*. */
  readonly headers: Readonly<Record<string, string>>;
  readonly checksum: Checksum | null;
}

const MAGIC = Buffer.from('OLS3obj1');
const TAIL_BYTES = 4 + MAGIC.length;
/** Headers are bounded to 16 kB, the key to 1 kB; JSON makes six bytes of one at worst. */
const META_MAX_BYTES = 128 * 1024;

/** What ends the file. */
export function encodeFooter(meta: object): Buffer {
  const json = Buffer.from(JSON.stringify(meta));
  const length = Buffer.alloc(4);
  length.writeUInt32BE(json.length);
  return Buffer.concat([json, length, MAGIC]);
}

/** What the end of an open file says of it, or null where that is not the end of such a file. */
export async function readMeta(handle: FileHandle): Promise<ObjectMeta | null> {
  const { size: fileSize } = await handle.stat();
  if (fileSize < TAIL_BYTES) return null;
  const tail = await readExactly(handle, fileSize - TAIL_BYTES, TAIL_BYTES);
  const length = tail.readUInt32BE(0);
  const dataSize = fileSize - TAIL_BYTES - length;
  if (!tail.subarray(4).equals(MAGIC) || length > META_MAX_BYTES || dataSize < 0) return null;
  const meta = parseMeta(await readExactly(handle, dataSize, length));
  return meta?.size === dataSize ? meta : null;
}

/** File names are hashes: a key may be longer than a name, hold slashes and dots, or differ in case alone. */
export function fileNameOf(key: string): string {
  return createHash('sha256').update(key).digest('hex');
}

async function readExactly(handle: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  for (let done = 0; done < length; ) {
    const { bytesRead } = await handle.read(buffer, done, length - done, position + done);
    if (bytesRead === 0)
      throw new Error(`a file got shorter while it was read: ${length - done} bytes are missing`);
    done += bytesRead;
  }
  return buffer;
}

function parseMeta(json: Buffer): ObjectMeta | null {
  let found: unknown;
  try {
    found = JSON.parse(json.toString());
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
  return isMeta(found) ? found : null;
}

function isMeta(found: unknown): found is ObjectMeta {
  if (typeof found !== 'object' || found === null) return false;
  const { key, etag, size, modifiedMs, headers, checksum } = found as Partial<
    Record<keyof ObjectMeta, unknown>
  >;
  const isText = typeof key === 'string' && typeof etag === 'string';
  const isCounted = Number.isSafeInteger(size) && Number.isFinite(modifiedMs);
  const isListed = typeof headers === 'object' && headers !== null;
  return isText && isCounted && isListed && (checksum === null || isChecksum(checksum));
}
