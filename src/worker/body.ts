import type { IncomingMessage } from 'node:http';
import { OlError } from '../errors.ts';

/** True when the client says itself that its body is too large. */
export function declaresTooMuch(request: IncomingMessage, maxBytes: number): boolean {
  return Number(request.headers['content-length'] ?? 0) > maxBytes;
}

export function tooLarge(maxBytes: number): OlError<'ERR_REQUEST_TOO_LARGE'> {
  return new OlError('ERR_REQUEST_TOO_LARGE', { limitKb: Math.floor(maxBytes / 1024) });
}

/**
 * Reads a request's whole body. `done` is called once: with the body, or with ERR_REQUEST_TOO_LARGE as soon as that is
 * clear; never when the client goes away in the middle. Callbacks, because this is on the path of every request.
 */
export function readBody(
  request: IncomingMessage,
  maxBytes: number,
  done: (error: OlError | null, body: Buffer) => void,
): void {
  if (declaresTooMuch(request, maxBytes)) return done(tooLarge(maxBytes), Buffer.alloc(0));
  let chunks: Buffer[] = [];
  let length = 0;
  request.on('data', (chunk: Buffer) => {
    if (length > maxBytes) return; // refused already
    length += chunk.length;
    if (length <= maxBytes) {
      chunks.push(chunk);
    } else {
      chunks = [];
      done(tooLarge(maxBytes), Buffer.alloc(0));
    }
  });
  request.on('end', () => {
    if (length > maxBytes) return;
    const [only] = chunks;
    done(null, chunks.length === 1 && only !== undefined ? only : Buffer.concat(chunks));
  });
}
