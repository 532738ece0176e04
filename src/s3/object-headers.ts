import { checksumHeader } from './body/checksum.ts';
import { S3Error } from './errors.ts';
import type { ObjectMeta } from './store/object-file.ts';

/** Headers of a PUT that every GET gives back. */
const KEPT = [
  'content-type',
  'cache-control',
  'content-disposition',
  'content-encoding',
  'content-language',
  'expires',
];
const META = 'x-amz-meta-';
/** S3's bound on a user's own metadata, names and values together. */
const META_MAX_BYTES = 2048;
/** RFC 9110, 5.6.2. */
const TOKEN = /^[!#$%&'*+.^_`|~0-9a-z-]+$/;
/** What a query may say instead, as in `response-content-type`. */
const OVERRIDES = 'response-';

/** What is kept of a request's headers, and of those that a presigned URL has in its query. Throws MetadataTooLarge. */
export function headersToKeep(
  headers: ReadonlyMap<string, string>,
  query: ReadonlyMap<string, string>,
): Record<string, string> {
  const hoisted = [...query].filter(([name]) => name.toLowerCase().startsWith(META));
  const all = new Map([...hoisted.map(([name, value]) => [name.toLowerCase(), value] as const), ...headers]);
  const kept: Record<string, string> = { 'content-type': 'binary/octet-stream' };
  let metaBytes = 0;
  for (const [name, value] of all) {
    if (name.startsWith(META)) metaBytes += name.length - META.length + value.length;
    const text = name === 'content-encoding' ? withoutChunked(value) : value;
    if ((KEPT.includes(name) || name.startsWith(META)) && text !== '') kept[name] = text;
  }
  if (metaBytes > META_MAX_BYTES) throw new S3Error('MetadataTooLarge');
  for (const [name, value] of Object.entries(kept)) {
    // One that came in the query may be anything.
    if (!TOKEN.test(name)) throw new S3Error('InvalidArgument', 'the name of a header is none');
    refuseControls(value);
  }
  return kept;
}

/** aws-chunked is how it came, not what it is. */
function withoutChunked(encoding: string): string {
  const names = encoding.split(',').map((name) => name.trim());
  return names.filter((name) => name.toLowerCase() !== 'aws-chunked').join(', ');
}

/** How an object is told of in headers. */
export function headersOf(
  meta: ObjectMeta,
  query: ReadonlyMap<string, string>,
  withChecksum: boolean,
): Record<string, string> {
  const headers: Record<string, string> = {
    ...meta.headers,
    etag: `"${meta.etag}"`,
    'last-modified': new Date(meta.modifiedMs).toUTCString(),
    'accept-ranges': 'bytes',
  };
  for (const name of KEPT) {
    const override = query.get(`${OVERRIDES}${name}`);
    if (override === undefined) continue;
    refuseControls(override);
    headers[name] = override;
  }
  return withChecksum ? { ...headers, ...checksumHeaders(meta) } : headers;
}

export function checksumHeaders({ checksum }: Pick<ObjectMeta, 'checksum'>): Record<string, string> {
  if (checksum === null) return {};
  const type = checksum.type === 'full' ? 'FULL_OBJECT' : 'COMPOSITE';
  return { [checksumHeader(checksum.algorithm)]: checksum.value, 'x-amz-checksum-type': type };
}

/** What a header of HTTP cannot say again. */
function refuseControls(value: string): void {
  if (/[^\t\x20-\x7e\x80-\xff]/.test(value))
    throw new S3Error('InvalidArgument', 'a header holds a control character');
}
