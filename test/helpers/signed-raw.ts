import type { BucketConfig } from '../../src/config/load.ts';
import { parseResponse, RawConnection } from './raw-http.ts';
import { type PlainRequest, signHeaders } from './sigv4.ts';

export interface RawAnswer {
  readonly status: number;
  readonly body: string;
}

export interface RawRequest extends PlainRequest {
  readonly body?: string | Buffer;
}

export const timeOf = (ms: number) => new Date(ms).toISOString().replaceAll(/[-:]|\.\d+/g, '');

/** Percent-encodes as signatures have it. */
export function encodeText(text: string): string {
  const encode = (char: string) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`;
  return encodeURIComponent(text).replaceAll(/[!'()*]/g, encode);
}

/** The same, and slashes stay. */
export function encodePath(text: string): string {
  return encodeText(text).replaceAll('%2F', '/');
}

/** Signs a request, whatever it says, and returns its head. */
export function signedHead(bucket: BucketConfig, { method, url, headers, body = '' }: RawRequest): string {
  const { host } = new URL(bucket.server);
  const length = Buffer.byteLength(body);
  const framing = 'transfer-encoding' in headers ? {} : { 'content-length': String(length) };
  const all = {
    host,
    ...framing,
    'x-amz-content-sha256': 'UNSIGNED-PAYLOAD',
    ...headers,
  };
  const signed = signHeaders({ method, url, headers: all }, bucket, { time: timeOf(Date.now()) });
  const lines = Object.entries(signed).map(([name, value]) => `${name}: ${value}`);
  return [`${method} ${url} HTTP/1.1`, ...lines, 'connection: close'].join('\r\n');
}

/** Sends it over a connection of its own; the answer is whatever comes before that ends. */
export async function sendSigned(bucket: BucketConfig, request: RawRequest): Promise<RawAnswer> {
  return await sendRaw(bucket, `${signedHead(bucket, request)}\r\n\r\n`, request.body);
}

/** Sends just these bytes. */
export async function sendRaw(
  bucket: BucketConfig,
  head: string | Buffer,
  body: string | Buffer = '',
): Promise<RawAnswer> {
  const { port, hostname } = new URL(bucket.server);
  using connection = await RawConnection.open(Number(port), hostname);
  connection.send(head);
  connection.send(body);
  return parseResponse(await connection.untilClosed());
}
