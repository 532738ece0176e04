import { Refused } from './refused.ts';

/** What the records of a PAX header say of the entry that follows, as far as it matters. Names are bytes still. */
export interface PaxFields {
  readonly name?: Buffer;
  readonly target?: Buffer;
  readonly size?: number;
}

const [SPACE, EQUALS, NEWLINE] = [0x20, 0x3d, 0x0a];
const MAX_DIGITS = 10;

/**
 * Reads records of the form `<length> <key>=<value>\n`, the length counting all of it. What a copy does not keep (times,
 * owners, comments) is passed over. Throws Refused.
 */
export function decodePax(bytes: Buffer): PaxFields {
  const fields = new Map<string, Buffer>();
  for (let at = 0; at < bytes.length; ) {
    const { key, value, length } = record(bytes.subarray(at));
    checkKey(key);
    // Readers differ in which of the two counts.
    if (fields.has(key))
      throw new Refused(null, `has an extended header that says ${key} twice: pack it again`);
    fields.set(key, value);
    at += length;
  }
  const [name, target, size] = ['path', 'linkpath', 'size'].map((key) => fields.get(key));
  return { ...(name && { name }), ...(target && { target }), ...(size && { size: decimal(size) }) };
}

/** One record; its length counts its own digits. */
export function encodePax(key: string, value: string): Buffer {
  const rest = Buffer.byteLength(` ${key}=${value}\n`);
  let length = rest;
  while (length !== rest + String(length).length) length = rest + String(length).length;
  return Buffer.from(`${length} ${key}=${value}\n`);
}

function record(bytes: Buffer): { key: string; value: Buffer; length: number } {
  const space = bytes.subarray(0, MAX_DIGITS + 1).indexOf(SPACE);
  const digits = bytes.toString('latin1', 0, Math.max(space, 0));
  const length = /^[1-9]\d*$/.test(digits) ? Number(digits) : 0;
  const equals = bytes.indexOf(EQUALS, space);
  const isWhole = length <= bytes.length && equals > space + 1 && equals < length - 1;
  if (length === 0 || !isWhole || bytes[length - 1] !== NEWLINE) {
    throw new Refused(null, 'has a damaged extended header: pack or send it again');
  }
  const key = bytes.toString('latin1', space + 1, equals);
  return { key, value: bytes.subarray(equals + 1, length - 1), length };
}

function checkKey(key: string): void {
  if (key.startsWith('GNU.sparse.')) {
    throw new Refused(null, 'has a sparse file in it: pack it without --sparse');
  }
  if (key === 'SCHILY.xattr.security.capability') {
    throw new Refused(
      null,
      'has a file with capabilities in it: remove them with `setcap -r`, and pack it again',
    );
  }
}

function decimal(bytes: Buffer): number {
  const digits = bytes.toString('latin1');
  if (/^\d{1,15}$/.test(digits)) return Number(digits);
  throw new Refused(null, 'has an extended header with a size that is no number: pack it again');
}
