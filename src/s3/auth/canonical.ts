import { createHash, createHmac } from 'node:crypto';

/** What a signature covers, as plain data. */
export interface ToSign {
  readonly method: string;
  /** Decoded. */
  readonly path: string;
  readonly query: Iterable<readonly [string, string]>;
  readonly headers: ReadonlyMap<string, string>;
  /** Lower case, sorted. */
  readonly signedHeaders: readonly string[];
  /** What stands for the body: the hex of its SHA-256, or one of the words of the protocol. */
  readonly payload: string;
}

/** `<date>/<region>/<service>/aws4_request`. */
export interface Scope {
  readonly date: string;
  readonly region: string;
  readonly service: string;
}

export const ALGORITHM = 'AWS4-HMAC-SHA256';
export const SCOPE_END = 'aws4_request';

/** The canonical request of Signature Version 4, as S3 has it: the path is encoded once and not normalised. */
export function canonicalRequest(what: ToSign): string {
  const headers = what.signedHeaders.map(
    (name) => `${name}:${canonicalValue(what.headers.get(name) ?? '')}\n`,
  );
  return [
    what.method,
    uriEncode(what.path).replaceAll('%2F', '/'),
    canonicalQuery(what.query),
    headers.join(''),
    what.signedHeaders.join(';'),
    what.payload,
  ].join('\n');
}

function canonicalQuery(query: Iterable<readonly [string, string]>): string {
  const pairs = [...query].map(([name, value]) => [uriEncode(name), uriEncode(value)] as const);
  // What is compared is ASCII, so the order of code units is that of bytes.
  pairs.sort(([a, x], [b, y]) => compare(a, b) || compare(x, y));
  return pairs.map(([name, value]) => `${name}=${value}`).join('&');
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function canonicalValue(value: string): string {
  return value.trim().replaceAll(/ +/g, ' ');
}

/** Percent-encodes all but the unreserved characters of RFC 3986. */
export function uriEncode(text: string): string {
  return encodeURIComponent(text).replaceAll(
    /[!'()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

export function scopeText({ date, region, service }: Scope): string {
  return `${date}/${region}/${service}/${SCOPE_END}`;
}

export function stringToSign(time: string, scope: Scope, canonical: string): string {
  return [ALGORITHM, time, scopeText(scope), sha256Hex(canonical)].join('\n');
}

/** The key that a secret gives for one day, region and service. */
export function signingKey(secret: string, { date, region, service }: Scope): Buffer {
  const words = [date, region, service, SCOPE_END];
  return words.reduce<Buffer>((key, word) => hmac(key, word), Buffer.from(`AWS4${secret}`));
}

/** Hex. */
export function sign(key: Buffer, text: string): string {
  return hmac(key, text).toString('hex');
}

/** Of text as the bytes that came: header values are Latin-1 here, and all else is ASCII. */
export function sha256Hex(text: string): string {
  return createHash('sha256').update(text, 'latin1').digest('hex');
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text, 'latin1').digest();
}
