import type { ServerResponse } from 'node:http';
import type { OlError } from '../errors.ts';

/** Any page may call a function, as in the original. */
const CORS = Object.entries({
  'Access-Control-Allow-Origin': '*',
  'Access-Control-Allow-Methods': 'GET, PUT, POST, DELETE, OPTIONS',
  'Access-Control-Allow-Headers':
    'Content-Type, Content-Range, Content-Disposition, Content-Description, X-Requested-With',
}).flat();

export const JSON_TYPE = 'application/json';
export const TEXT_TYPE = 'text/plain; charset=utf-8';

/** Up to this size, copying a body costs less than a second buffer in the system call. */
const JOINED_BYTES = 16 * 1024;

/** Seconds after which a client that was told to come back may do so. */
const RETRY_AFTER_S = 1;

/** Names and values of headers by turns, which node:http takes as it is. */
export type FlatHeaders = readonly string[];

/** Sends a whole response. Does nothing when the client has gone away. */
export function send(
  response: ServerResponse,
  status: number,
  type: string,
  body: Buffer | string,
  headers: FlatHeaders = [],
): void {
  if (response.headersSent || response.destroyed) return;
  const length = typeof body === 'string' ? Buffer.byteLength(body) : body.length;
  response.writeHead(status, [...CORS, 'Content-Type', type, 'Content-Length', String(length), ...headers]);
  // Latin-1 keeps every byte as it is, and a string goes out with the header in one system call.
  if (typeof body !== 'string' && length <= JOINED_BYTES) response.end(body.toString('latin1'), 'latin1');
  else response.end(body);
}

/** Sends one of our own errors: its status, and `{"error": {"code", "message"}}`. */
export function sendError(response: ServerResponse, error: OlError, headers: FlatHeaders = []): void {
  const retry = error.status === 429 || error.status === 503 ? ['Retry-After', String(RETRY_AFTER_S)] : [];
  send(response, error.status, JSON_TYPE, `${JSON.stringify(error.toBody())}\n`, [...retry, ...headers]);
}
