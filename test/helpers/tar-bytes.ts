import { gzipSync } from 'node:zlib';

/**
 * Archives byte by byte, the ones too that no honest program writes. It shares nothing with the reader that is tested.
 */
export interface TarParts {
  readonly name: string | Buffer;
  readonly body?: string | Buffer;
  /** Default: `0`, a file. */
  readonly type?: string;
  readonly mode?: number;
  /** Default: the length of the body. A text is written as it is. */
  readonly size?: number | string;
  readonly target?: string;
  readonly prefix?: string;
  /** Default: POSIX's. */
  readonly magic?: string;
  /** Added to the right checksum. */
  readonly wrong?: number;
}

export const END = Buffer.alloc(1024);

/** A header and, where there is one, the body, filled up with zeros. */
export function tarEntry(parts: TarParts): Buffer {
  const {
    name,
    body = '',
    type = '0',
    mode = 0o644,
    target = '',
    prefix = '',
    magic = 'ustar\u000000',
  } = parts;
  const content = Buffer.from(body);
  const size = parts.size ?? content.length;
  const header = Buffer.alloc(512);
  Buffer.from(name).copy(header, 0, 0, 100);
  header.write(`${mode.toString(8).padStart(7, '0')}\0`, 100);
  header.write('0001750\0', 108);
  header.write('0001750\0', 116);
  header.write(typeof size === 'string' ? size : size.toString(8).padStart(11, '0'), 124, 'latin1');
  header.write('14000000000\0', 136);
  header.write('        ', 148);
  header.write(type, 156);
  header.write(target, 157, 100);
  header.write(magic, 257);
  header.write('somebody', 265);
  header.write(prefix, 345, 155);
  const sum = header.reduce((total, byte) => total + byte, parts.wrong ?? 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return Buffer.concat([header, content, Buffer.alloc((512 - (content.length % 512)) % 512)]);
}

/** A PAX header with these records, written as they are. */
export function paxEntry(records: string | Buffer, type = 'x'): Buffer {
  return tarEntry({ name: 'PaxHeader', type, body: records });
}

export function paxRecord(key: string, value: string): string {
  const rest = Buffer.byteLength(` ${key}=${value}\n`);
  const length = [1, 2, 3, 4, 5, 6]
    .map((digits) => rest + digits)
    .find((all, at) => String(all).length === at + 1);
  return `${length} ${key}=${value}\n`;
}

/** GNU's way to write a long name (`L`) or a long target (`K`). */
export function gnuLong(text: string, type: 'L' | 'K' = 'L'): Buffer {
  return tarEntry({ name: '././@LongLink', type, body: `${text}\0`, magic: 'ustar  \0' });
}

export const HANDLER = tarEntry({ name: 'lambda_func.py', body: 'def handler(event):\n    return 1\n' });

/** A whole bundle that has a `lambda_func.py` before the parts given. */
export function bundleOf(...parts: readonly (Buffer | TarParts)[]): Buffer {
  return gzipSync(tarOf(HANDLER, ...parts));
}

export function tarOf(...parts: readonly (Buffer | TarParts)[]): Buffer {
  return Buffer.concat([...parts.map((part) => (Buffer.isBuffer(part) ? part : tarEntry(part))), END]);
}
