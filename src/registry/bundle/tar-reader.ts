import { Bytes } from './bytes.ts';
import { trailing } from './gunzip.ts';
import { BLOCK, decodeHeader, type Header, paddingOf } from './header.ts';
import { decodePax, type PaxFields } from './pax.ts';
import { Refused } from './refused.ts';

/** One entry of an archive, names as they are written there: valid UTF-8, and nothing else is known of them. */
export interface TarEntry {
  readonly name: string;
  readonly type: string;
  readonly mode: number;
  readonly size: number;
  readonly target: string;
  /** Its content; what is not read of it before the next entry is asked for is passed over. */
  readonly body: AsyncIterable<Buffer>;
}

/** Most bytes in a header beside a header: names, and what other programs note there. */
const MAX_META = 256 * 1024;
/** Zeros behind the end: archives are filled up to whole records. */
const MAX_FILL = 2 ** 20;

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Reads the tar format, strictly: what two readers could understand in two ways is refused, and so is an archive without
 * its end or with something behind it. A library's reader is not used because names are cut at NUL and repaired in it, and
 * headers that it does not like are passed over: a check of what it gives is no check of what is there.
 *
 * Throws Refused.
 */
export async function* readTar(source: AsyncIterable<Buffer>): AsyncGenerator<TarEntry> {
  const bytes = new Bytes(source);
  let meta: PaxFields = {};
  try {
    for (let count = 0; ; count++) {
      const block = await bytes.exactly(BLOCK);
      if (isZero(block)) break;
      const header = decodeHeader(block);
      if (header === null) throw noHeader(count);
      if (isMeta(header)) meta = joined(meta, await readMeta(header, bytes));
      else {
        yield* entryOf(header, meta, bytes);
        meta = {};
      }
    }
    if (Object.keys(meta).length > 0)
      throw new Refused(null, 'has an extended header for nothing: pack it again');
    await checkEnd(bytes);
  } finally {
    await bytes.close();
  }
}

function noHeader(count: number): Refused {
  if (count === 0) return new Refused(null, 'is no tar archive: pack it with `tar czf`');
  return new Refused(null, 'is damaged (tar: wrong checksum): pack or send it again');
}

async function* entryOf(header: Header, meta: PaxFields, bytes: Bytes): AsyncGenerator<TarEntry> {
  const size = meta.size ?? header.size;
  const name = decodeText(meta.name ?? header.name);
  const body = bytes.stream(size);
  yield {
    name,
    size,
    type: header.type,
    mode: header.mode,
    target: decodeText(meta.target ?? header.target),
    body,
  };
  await drain(body);
  await bytes.exactly(paddingOf(size));
}

/** Passes over what is left. A body that was left early has been ended by its reader, which is one that fails. */
async function drain(body: AsyncIterable<Buffer>): Promise<void> {
  for await (const _ of body);
}

function isMeta({ type }: Header): boolean {
  return 'xgLK'.includes(type);
}

async function readMeta({ type, size }: Header, bytes: Bytes): Promise<PaxFields> {
  if (size > MAX_META) {
    throw new Refused(null, `has an extended header of more than ${MAX_META / 1024} kB: pack it again`);
  }
  const content = await bytes.exactly(size);
  await bytes.exactly(paddingOf(size));
  if (type === 'L') return { name: upToNul(content) };
  if (type === 'K') return { target: upToNul(content) };
  const fields = decodePax(content);
  if (type === 'x') return fields;
  // `git archive` puts a comment there. Names and sizes for all entries that follow would be no use but a trick.
  if (Object.keys(fields).length === 0) return {};
  throw new Refused(null, 'has a global header that names files: pack it again');
}

function upToNul(content: Buffer): Buffer {
  const end = content.indexOf(0);
  return end < 0 ? content : content.subarray(0, end);
}

/** Readers differ in which of two counts. */
function joined(first: PaxFields, second: PaxFields): PaxFields {
  const twice = Object.keys(second).find((key) => key in first);
  if (twice === undefined) return { ...first, ...second };
  throw new Refused(null, `has two extended headers that say the ${twice} of one entry: pack it again`);
}

function decodeText(bytes: Buffer): string {
  try {
    return utf8.decode(bytes);
  } catch (cause) {
    throw new Refused(bytes.toString('latin1'), 'has a name that is not UTF-8: rename it', { cause });
  }
}

/** One block of zeros has been read; another one and the filling follow. */
async function checkEnd(bytes: Bytes): Promise<void> {
  let fill = 0;
  for (let piece = await bytes.some(BLOCK); piece !== null; piece = await bytes.some(BLOCK)) {
    fill += piece.length;
    if (!isZero(piece) || fill > MAX_FILL) throw trailing();
  }
  if (fill < BLOCK) throw new Refused(null, 'is cut off: send the whole file again');
}

const ZEROS = Buffer.alloc(BLOCK);

function isZero(piece: Buffer): boolean {
  return piece.equals(ZEROS.subarray(0, piece.length));
}
