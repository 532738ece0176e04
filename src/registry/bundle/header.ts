import { Refused } from './refused.ts';

/** Tar is made of blocks: one for a header, as many as needed for what it is of, filled up with zeros. */
export const BLOCK = 512;

/** The fields of a header: where they begin and how long they are. */
const FIELDS = {
  name: [0, 100],
  mode: [100, 8],
  uid: [108, 8],
  gid: [116, 8],
  size: [124, 12],
  mtime: [136, 12],
  checksum: [148, 8],
  type: [156, 1],
  target: [157, 100],
  magic: [257, 8],
  prefix: [345, 155],
} as const;
type Field = keyof typeof FIELDS;

/** POSIX's mark; only with it is there a prefix. GNU's has other fields in that place. */
const USTAR = 'ustar\u000000';

/** One header as it is written, names still bytes. */
export interface Header {
  readonly name: Buffer;
  /** One character; `0` for the oldest archives' NUL. */
  readonly type: string;
  readonly mode: number;
  readonly size: number;
  readonly target: Buffer;
}

/** Reads one block; null where its checksum is wrong. Throws Refused for numbers that are none. */
export function decodeHeader(block: Buffer): Header | null {
  if (decodeNumber(field(block, 'checksum')) !== checksumOf(block)) return null;
  const name = text(block, 'name');
  const number = (which: 'mode' | 'size') => {
    const value = decodeNumber(field(block, which));
    if (value === null) throw new Refused(name.toString(), `has no number for its ${which}: pack it again`);
    return value;
  };
  const type = field(block, 'type').toString('latin1');
  return {
    name: withPrefix(block, name),
    type: type === '\0' ? '0' : type,
    mode: number('mode'),
    size: number('size'),
    target: text(block, 'target'),
  };
}

/** What one header says of a file, or of records of PAX; `name` and `target` are ASCII and fit. */
export interface PlainHeader {
  readonly name: string;
  readonly type: string;
  readonly mode: number;
  readonly size: number;
  readonly target: string;
}

/** One block; nothing in it tells when, where or by whom it was made. */
export function encodeHeader({ name, type, mode, size, target }: PlainHeader): Buffer {
  const block = Buffer.alloc(BLOCK);
  const put = (which: Field, value: string) => block.write(value, FIELDS[which][0], 'latin1');
  const octal = (which: Field, value: number) =>
    put(which, value.toString(8).padStart(FIELDS[which][1] - 1, '0'));
  put('name', name);
  octal('mode', mode);
  octal('uid', 0);
  octal('gid', 0);
  octal('size', size);
  octal('mtime', 0);
  put('type', type);
  put('target', target);
  put('magic', USTAR);
  put('checksum', `${checksumOf(block).toString(8).padStart(6, '0')}\0 `);
  return block;
}

/** True for text that a header holds as it is. */
export function fitsHeader(value: string): boolean {
  return value.length <= FIELDS.name[1] && /^[\x20-\x7e]*$/.test(value);
}

/** How many bytes fill up the last block of a content. */
export function paddingOf(size: number): number {
  return (BLOCK - (size % BLOCK)) % BLOCK;
}

function field(block: Buffer, which: Field): Buffer {
  const [at, length] = FIELDS[which];
  return block.subarray(at, at + length);
}

function text(block: Buffer, which: Field): Buffer {
  const bytes = field(block, which);
  const end = bytes.indexOf(0);
  return end < 0 ? bytes : bytes.subarray(0, end);
}

function withPrefix(block: Buffer, name: Buffer): Buffer {
  const prefix = text(block, 'prefix');
  if (field(block, 'magic').toString('latin1') !== USTAR || prefix.length === 0) return name;
  return Buffer.concat([prefix, Buffer.from('/'), name]);
}

/** Octal digits between blanks; nothing at all is 0. Null for anything else: binary numbers are for 8 GB and more. */
function decodeNumber(bytes: Buffer): number | null {
  const match = /^[ \0]*([0-7]*)[ \0]*$/.exec(bytes.toString('latin1'));
  return match === null ? null : Number.parseInt(match[1] || '0', 8);
}

/** The sum of all bytes, with the checksum's own as blanks. */
function checksumOf(block: Buffer): number {
  const [at, length] = FIELDS.checksum;
  let sum = 0x20 * length;
  for (let index = 0; index < BLOCK; index++) {
    if (index < at || index >= at + length) sum += block[index] ?? 0;
  }
  return sum;
}
