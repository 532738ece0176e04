import { authorize } from '../../../src/s3/auth/authorize.ts';
import { openPayload } from '../../../src/s3/body/payload.ts';
import { S3Error } from '../../../src/s3/errors.ts';
import { parseRequest } from '../../../src/s3/request.ts';
import type { Keys, PlainRequest } from '../../helpers/sigv4.ts';

/** Those of the examples in S3's documentation. */
export const KEYS: Keys = {
  accessKey: 'AKIAIOSFODNN7EXAMPLE',
  secretKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
};
export const TIME = '20130524T000000Z';
export const NOW = Date.UTC(2013, 4, 24);

export interface Sent extends PlainRequest {
  readonly body?: string;
  /** At which sizes the body comes. */
  readonly pieces?: readonly number[];
}

/** What the server takes for the body of a request; throws what it refuses it with. */
export async function verify(
  { method, url, headers, body = '', pieces = [] }: Sent,
  now = NOW,
): Promise<Buffer> {
  const request = parseRequest(method, url, Object.entries(headers).flat());
  const authorized = authorize(request, KEYS, now);
  const payload = openPayload(inPieces(Buffer.from(body), pieces), request, authorized, {
    maxBytes: 2 ** 20,
  });
  const taken: Buffer[] = [];
  for await (const piece of payload.data) taken.push(Buffer.from(piece));
  payload.result();
  return Buffer.concat(taken);
}

/** Status and code that it is refused with, or `accepted`. Any other error is one. */
export async function verdict(sent: Sent, now = NOW): Promise<string> {
  try {
    await verify(sent, now);
    return 'accepted';
  } catch (error) {
    if (error instanceof S3Error) return `${error.status} ${error.code}`;
    throw error;
  }
}

async function* inPieces(data: Buffer, sizes: readonly number[]): AsyncGenerator<Buffer> {
  let at = 0;
  for (const size of sizes) {
    yield data.subarray(at, at + size);
    at += size;
  }
  yield data.subarray(at);
}
