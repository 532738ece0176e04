import { S3Error } from './errors.ts';

export interface ByteRange {
  readonly start: number;
  readonly length: number;
}

/**
 * The one range that a Range header asks for, or null for all: where it is missing, malformed or has several, which HTTP
 * lets a server pass over. Throws InvalidRange where none of it is there.
 */
export function parseRange(header: string | undefined, size: number): ByteRange | null {
  const [, first = '', last = ''] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header?.trim() ?? '') ?? [];
  if (first === '' && last === '') return null;
  if (first === '') return suffix(Number(last), size);
  const start = Number(first);
  const end = last === '' ? size - 1 : Math.min(Number(last), size - 1);
  if (last !== '' && Number(last) < start) return null;
  if (start >= size) throw unsatisfiable(size);
  return { start, length: end - start + 1 };
}

function suffix(length: number, size: number): ByteRange {
  if (length === 0 || size === 0) throw unsatisfiable(size);
  const taken = Math.min(length, size);
  return { start: size - taken, length: taken };
}

function unsatisfiable(size: number): S3Error {
  return new S3Error('InvalidRange', undefined, { fields: { ActualObjectSize: String(size) } });
}
