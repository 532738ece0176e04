import { createHash, createHmac } from 'node:crypto';

/** A request as it goes over the wire; names in lower case. */
export interface PlainRequest {
  readonly method: string;
  /** Path and query, encoded as they are to be signed. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

export interface Keys {
  readonly accessKey: string;
  readonly secretKey: string;
}

export const sha256 = (data: string | Buffer) => createHash('sha256').update(data).digest('hex');
const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest();

export const scopeOf = (time: string) => `${time.slice(0, 8)}/us-east-1/s3/aws4_request`;

function keyOf(secret: string, time: string): Buffer {
  return scopeOf(time)
    .split('/')
    .reduce<Buffer>(hmac, Buffer.from(`AWS4${secret}`));
}

/** A second opinion on Signature Version 4: it shares nothing with what it tests. */
export function signatureOf(
  { method, url, headers }: PlainRequest,
  { secretKey }: Keys,
  { time, signed, payload }: { time: string; signed: readonly string[]; payload: string },
): string {
  const [path = '', query = ''] = url.split('?');
  const pairs = query.split('&').filter(Boolean);
  const full = pairs.map((pair) => (pair.includes('=') ? pair : `${pair}=`)).sort();
  const lines = signed.map((name) => `${name}:${headers[name] ?? ''}\n`).join('');
  const canonical = [method, path, full.join('&'), lines, signed.join(';'), payload].join('\n');
  const text = ['AWS4-HMAC-SHA256', time, scopeOf(time), sha256(canonical)].join('\n');
  return hmac(keyOf(secretKey, time), text).toString('hex');
}

export interface SignOptions {
  readonly time: string;
  /** Signed instead of all headers that are there. */
  readonly signed?: readonly string[];
}

/** The headers of a request with its signature; without x-amz-content-sha256 it has no body. */
export function signHeaders(
  request: PlainRequest,
  keys: Keys,
  { time, signed }: SignOptions,
): Record<string, string> {
  const payload = request.headers['x-amz-content-sha256'] ?? sha256('');
  const headers = { ...request.headers, 'x-amz-date': time, 'x-amz-content-sha256': payload };
  const names = signed ?? Object.keys(headers).sort();
  const signature = signatureOf({ ...request, headers }, keys, { time, signed: names, payload });
  const credential = `Credential=${keys.accessKey}/${scopeOf(time)}`;
  const authorization = `AWS4-HMAC-SHA256 ${credential}, SignedHeaders=${names.join(';')}, Signature=${signature}`;
  return { ...headers, authorization };
}

/** A URL that is good for itself, with the host alone signed. */
export function presign(
  { method, url, headers }: PlainRequest,
  keys: Keys,
  { time, expires }: { time: string; expires: string },
): string {
  const fields = [
    'X-Amz-Algorithm=AWS4-HMAC-SHA256',
    `X-Amz-Credential=${encodeURIComponent(`${keys.accessKey}/${scopeOf(time)}`)}`,
    `X-Amz-Date=${time}`,
    `X-Amz-Expires=${expires}`,
    'X-Amz-SignedHeaders=host',
  ];
  const full = `${url}${url.includes('?') ? '&' : '?'}${fields.join('&')}`;
  const signed = { time, signed: ['host'], payload: 'UNSIGNED-PAYLOAD' };
  return `${full}&X-Amz-Signature=${signatureOf({ method, url: full, headers }, keys, signed)}`;
}

/** Signs the chunks of a body and its trailers, each upon the one before. */
export class ChunkWriter {
  readonly #key: Buffer;
  readonly #time: string;
  #previous: string;

  constructor(authorization: string, { secretKey }: Keys, time: string) {
    this.#key = keyOf(secretKey, time);
    this.#time = time;
    this.#previous = /Signature=(\w+)/.exec(authorization)?.[1] ?? '';
  }

  /** One with its frame; an empty one is the last, and has no data. */
  chunk(data: string): string {
    const signature = this.#sign('AWS4-HMAC-SHA256-PAYLOAD', [sha256(''), sha256(data)]);
    const head = `${data.length.toString(16)};chunk-signature=${signature}\r\n`;
    return data === '' ? head : `${head}${data}\r\n`;
  }

  trailer(name: string, value: string): string {
    const signature = this.#sign('AWS4-HMAC-SHA256-TRAILER', [sha256(`${name}:${value}\n`)]);
    return `${name}:${value}\r\nx-amz-trailer-signature:${signature}\r\n`;
  }

  #sign(algorithm: string, hashes: readonly string[]): string {
    const text = [algorithm, this.#time, scopeOf(this.#time), this.#previous, ...hashes].join('\n');
    this.#previous = hmac(this.#key, text).toString('hex');
    return this.#previous;
  }
}
