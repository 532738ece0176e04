import { S3Error } from './errors.ts';

/** A request as plain data: what is signed, and what says what is wanted. */
export interface S3Request {
  readonly method: string;
  /** Decoded; begins with a slash. */
  readonly path: string;
  /** Null for the service itself; a name that no bucket has otherwise, at worst. */
  readonly bucket: string | null;
  readonly key: string | null;
  /** Decoded names and values. */
  readonly query: ReadonlyMap<string, string>;
  /** By lower-case name; bytes as Latin-1, the way Node reads them. */
  readonly headers: ReadonlyMap<string, string>;
}

export const KEY_MAX_BYTES = 1024;

/** Headers that this server acts on: one of them twice is ambiguous. S3 joins repeated metadata, so that may be repeated. */
const ONCE = /^(?:authorization|host|date|range|expect|content-.*|if-.*|x-amz-(?!meta-).*)$/;

/** Reads what Node's parser left as text. Throws S3Error. */
export function parseRequest(method: string, url: string, rawHeaders: readonly string[]): S3Request {
  if (!url.startsWith('/')) throw new S3Error('InvalidURI');
  const mark = url.indexOf('?');
  const path = decode(mark === -1 ? url : url.slice(0, mark));
  const query = parseQuery(mark === -1 ? '' : url.slice(mark + 1));
  const slash = path.indexOf('/', 1);
  const bucket = slash === -1 ? path.slice(1) : path.slice(1, slash);
  const key = slash === -1 ? '' : path.slice(slash + 1);
  if (Buffer.byteLength(key) > KEY_MAX_BYTES) throw new S3Error('KeyTooLongError');
  return {
    method,
    path,
    bucket: path === '/' ? null : bucket,
    key: key === '' ? null : key,
    query,
    headers: parseHeaders(rawHeaders),
  };
}

function parseQuery(text: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const pair of text.split('&')) {
    if (pair === '') continue;
    const equals = pair.indexOf('=');
    const name = decodeQuery(equals === -1 ? pair : pair.slice(0, equals));
    if (found.has(name)) throw new S3Error('InvalidArgument', 'a query parameter came twice');
    found.set(name, equals === -1 ? '' : decodeQuery(pair.slice(equals + 1)));
  }
  return found;
}

function parseHeaders(raw: readonly string[]): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const name = (raw[at] ?? '').toLowerCase();
    const value = (raw[at + 1] ?? '').trim();
    const before = found.get(name);
    if (before !== undefined && ONCE.test(name)) throw new S3Error('InvalidRequest', `${name} came twice`);
    found.set(name, before === undefined ? value : `${before},${value}`);
  }
  return found;
}

function decodeQuery(text: string): string {
  return decode(text.replaceAll('+', ' '));
}

/** Percent-encoded UTF-8, nothing else. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (cause) {
    throw new S3Error('InvalidURI', undefined, { cause });
  }
}
