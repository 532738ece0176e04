import { createHash, timingSafeEqual } from 'node:crypto';
import { S3Error } from '../errors.ts';
import type { S3Request } from '../request.ts';
import { canonicalRequest, type Scope, sign, signingKey, stringToSign } from './canonical.ts';
import { type Claim, readClaim } from './credential.ts';

export interface Credentials {
  readonly accessKey: string;
  readonly secretKey: string;
}

/** A request that its signature vouches for, and what is needed to check its body. */
export interface Authorized {
  /** The value that stands for the body in what was signed. */
  readonly payload: string;
  readonly key: Buffer;
  readonly signature: string;
  readonly scope: Scope;
  readonly time: string;
}

export const UNSIGNED = 'UNSIGNED-PAYLOAD';
const WINDOW_MS = 15 * 60 * 1000;

/**
 * Checks who sent a request, by its headers and query alone; the body is checked as it comes, against what this returns.
 * Throws S3Error.
 */
export function authorize(request: S3Request, credentials: Credentials, now: number): Authorized {
  const claim = readClaim(request);
  if (!isSame(claim.accessKey, credentials.accessKey)) throw new S3Error('InvalidAccessKeyId');
  checkTime(claim, now);
  checkSignedHeaders(request, claim);
  const payload = payloadOf(request, claim);
  const query = [...request.query].filter(([name]) => claim.expiresMs === null || name !== 'X-Amz-Signature');
  const { method, path, headers } = request;
  const canonical = canonicalRequest({
    method,
    path,
    query,
    headers,
    signedHeaders: claim.signedHeaders,
    payload,
  });
  const key = signingKey(credentials.secretKey, claim.scope);
  const expected = sign(key, stringToSign(claim.time, claim.scope, canonical));
  if (!isSame(claim.signature, expected)) throw new S3Error('SignatureDoesNotMatch');
  return { payload, key, signature: claim.signature, scope: claim.scope, time: claim.time };
}

/** Takes as long for a near miss as for a far one. */
export function isSame(a: string, b: string): boolean {
  // Hashing first makes both the same length.
  const [left, right] = [a, b].map((text) => createHash('sha256').update(text, 'utf16le').digest());
  return timingSafeEqual(left as Buffer, right as Buffer);
}

function checkTime({ timeMs, expiresMs }: Claim, now: number): void {
  if (expiresMs === null) {
    if (Math.abs(now - timeMs) > WINDOW_MS) throw new S3Error('RequestTimeTooSkewed');
    return;
  }
  if (timeMs - now > WINDOW_MS) throw new S3Error('AccessDenied', 'the request is not yet valid');
  if (now > timeMs + expiresMs) throw new S3Error('AccessDenied', 'the request has expired');
}

/** What a header of S3 says has to be what was signed, so that nobody on the way adds one, or takes one away. */
function checkSignedHeaders({ headers }: S3Request, { signedHeaders }: Claim): void {
  // It would count as one with an empty value.
  const absent = signedHeaders.filter((name) => !headers.has(name));
  if (absent.length > 0) {
    const fields = { HeadersNotSent: absent.join(', ') };
    throw new S3Error('AccessDenied', 'there were signed headers that did not come', { fields });
  }
  const needed = [...headers.keys()].filter((name) => name === 'host' || name.startsWith('x-amz-'));
  const unsigned = needed.filter((name) => !signedHeaders.includes(name));
  if (!headers.has('host')) unsigned.push('host');
  if (unsigned.length === 0) return;
  const fields = { HeadersNotSigned: unsigned.join(', ') };
  throw new S3Error('AccessDenied', 'there were headers that were not signed', { fields });
}

function payloadOf({ headers, query }: S3Request, { expiresMs }: Claim): string {
  const header = headers.get('x-amz-content-sha256');
  if (header !== undefined) return header;
  if (expiresMs === null) throw new S3Error('InvalidRequest', 'the header x-amz-content-sha256 is missing');
  return query.get('X-Amz-Content-Sha256') ?? UNSIGNED;
}
