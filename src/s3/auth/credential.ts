import { S3Error, type S3ErrorCode } from '../errors.ts';
import type { S3Request } from '../request.ts';
import { ALGORITHM, SCOPE_END, type Scope } from './canonical.ts';

/** What a request says of its signature; nothing of it has been checked but its form. */
export interface Claim {
  readonly accessKey: string;
  readonly scope: Scope;
  readonly signedHeaders: readonly string[];
  readonly signature: string;
  /** As in `20130524T000000Z`. */
  readonly time: string;
  readonly timeMs: number;
  /** How long a presigned URL holds; null for a signature in the header. */
  readonly expiresMs: number | null;
}

const WEEK_S = 7 * 24 * 3600;
const SIGNATURE = /^[0-9a-f]{64}$/;
const NAME = /^[0-9a-z!#$%&'*+.^_`|~-]+$/;

/** Reads the signature out of the Authorization header or the query. Throws S3Error. */
export function readClaim(request: S3Request): Claim {
  const header = request.headers.get('authorization');
  const isPresigned = request.query.has('X-Amz-Signature') || request.query.has('X-Amz-Algorithm');
  if (header !== undefined && isPresigned) {
    throw new S3Error('InvalidArgument', 'only one authentication mechanism is allowed');
  }
  if (request.headers.has('x-amz-security-token') || request.query.has('X-Amz-Security-Token')) {
    throw new S3Error('InvalidToken');
  }
  if (isPresigned) return readQuery(request.query);
  // Signatures of version 2 in a query are not read: without a signature that we know nobody is anybody.
  if (header === undefined) throw new S3Error('AccessDenied');
  return readHeader(header, request.headers.get('x-amz-date'));
}

function readHeader(header: string, time: string | undefined): Claim {
  if (!header.startsWith(`${ALGORITHM} `)) {
    throw new S3Error('InvalidRequest', `the authorization mechanism is not supported: use ${ALGORITHM}`);
  }
  const code = 'AuthorizationHeaderMalformed';
  const fields = readFields(header.slice(ALGORITHM.length + 1));
  if (time === undefined) throw new S3Error('AccessDenied', 'a signed request needs the header x-amz-date');
  return { ...readCommon(code, (name) => fields.get(name), time), expiresMs: null };
}

function readFields(text: string): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  for (const part of text.split(',')) {
    const [, name, value] = /^(\w+)=(\S+)$/.exec(part.trim()) ?? [];
    if (name === undefined || value === undefined || fields.has(name)) {
      throw new S3Error('AuthorizationHeaderMalformed');
    }
    fields.set(name, value);
  }
  return fields;
}

function readQuery(query: ReadonlyMap<string, string>): Claim {
  const code = 'AuthorizationQueryParametersError';
  if (query.get('X-Amz-Algorithm') !== ALGORITHM)
    throw new S3Error(code, `X-Amz-Algorithm has to be ${ALGORITHM}`);
  const expires = query.get('X-Amz-Expires') ?? '';
  const seconds = Number(expires);
  if (!/^\d{1,6}$/.test(expires) || seconds < 1 || seconds > WEEK_S) {
    throw new S3Error(code, `X-Amz-Expires has to be from 1 to ${WEEK_S}`);
  }
  const claim = readCommon(code, (name) => query.get(`X-Amz-${name}`), query.get('X-Amz-Date') ?? '');
  return { ...claim, expiresMs: seconds * 1000 };
}

function readCommon(
  code: S3ErrorCode,
  field: (name: string) => string | undefined,
  time: string,
): Omit<Claim, 'expiresMs'> {
  const timeMs = readTime(time);
  if (timeMs === null) throw new S3Error(code, 'the date has to look like 20130524T000000Z');
  const signature = field('Signature') ?? '';
  if (!SIGNATURE.test(signature)) throw new S3Error(code, 'Signature has to be 64 hexadecimal digits');
  const { accessKey, scope } = readCredential(code, field('Credential') ?? '', time);
  return {
    accessKey,
    scope,
    signedHeaders: readNames(code, field('SignedHeaders') ?? ''),
    signature,
    time,
    timeMs,
  };
}

/** An access key may hold slashes; the scope is what the last four say. */
function readCredential(code: S3ErrorCode, text: string, time: string): { accessKey: string; scope: Scope } {
  const words = text.split('/');
  const [date = '', region = '', service = '', end = ''] = words.slice(-4);
  const accessKey = words.slice(0, -4).join('/');
  if (accessKey === '' || region === '' || end !== SCOPE_END)
    throw new S3Error(code, 'the credential is malformed');
  if (service !== 's3') throw new S3Error(code, 'the service of the credential has to be s3');
  if (date !== time.slice(0, 8)) throw new S3Error(code, 'the day of the credential is not that of the date');
  return { accessKey, scope: { date, region, service } };
}

function readNames(code: S3ErrorCode, text: string): readonly string[] {
  const names = text.split(';');
  const isSorted = names.every((name, at) => at === 0 || (names[at - 1] ?? '') < name);
  if (!isSorted || !names.every((name) => NAME.test(name))) {
    throw new S3Error(code, 'SignedHeaders has to be lower-case names in order, each once');
  }
  return names;
}

/** Milliseconds, or null where it is no such time. */
function readTime(text: string): number | null {
  const match = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(text);
  if (match === null) return null;
  const [, year, month, day, hour, minute, second] = match;
  const ms = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  return Number.isNaN(ms) ? null : ms;
}
