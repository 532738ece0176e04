import { S3Error } from './errors.ts';
import type { Guard } from './store/bucket.ts';
import type { ObjectMeta } from './store/object-file.ts';

type Headers = ReadonlyMap<string, string>;

/** Whether a GET or HEAD is answered with the object or with 304. Throws PreconditionFailed. RFC 9110, 13.2.2. */
export function checkRead(headers: Headers, meta: ObjectMeta): 'send' | 'not modified' {
  const [match, noneMatch] = [headers.get('if-match'), headers.get('if-none-match')];
  if (match !== undefined) {
    if (!matches(match, meta)) throw new S3Error('PreconditionFailed');
  } else if (meta.modifiedMs > dateIn(headers, 'if-unmodified-since', Number.POSITIVE_INFINITY)) {
    throw new S3Error('PreconditionFailed');
  }
  if (noneMatch !== undefined) return matches(noneMatch, meta) ? 'not modified' : 'send';
  const since = dateIn(headers, 'if-modified-since', Number.NEGATIVE_INFINITY);
  return meta.modifiedMs <= since ? 'not modified' : 'send';
}

/** The Range header, where If-Range allows it: a part of another version than the client has is of no use. RFC 9110, 13.1.5. */
export function rangeIn(headers: Headers, { etag, modifiedMs }: ObjectMeta): string | undefined {
  const condition = headers.get('if-range');
  const isSame = condition === undefined || condition === `"${etag}"` || Date.parse(condition) === modifiedMs;
  return isSame ? headers.get('range') : undefined;
}

/** What a PUT, a completed upload or a DELETE asks of what is there. */
export function writeGuard(headers: Headers): Guard {
  const [match, noneMatch] = [headers.get('if-match'), headers.get('if-none-match')];
  if (noneMatch !== undefined && noneMatch !== '*')
    throw new S3Error('NotImplemented', 'If-None-Match has to be *');
  return (present) => {
    if (noneMatch === '*' && present !== null) throw new S3Error('PreconditionFailed');
    if (match === undefined) return;
    if (present === null) throw new S3Error('NoSuchKey');
    if (!matches(match, present)) throw new S3Error('PreconditionFailed');
  };
}

function matches(list: string, { etag }: ObjectMeta): boolean {
  const tags = list.split(',').map((tag) =>
    tag
      .trim()
      .replace(/^W\//, '')
      .replace(/^"(.*)"$/, '$1'),
  );
  return tags.includes('*') || tags.includes(etag);
}

/** A date that is none does not count, as HTTP says. */
function dateIn(headers: Headers, name: string, fallback: number): number {
  const ms = Date.parse(headers.get(name) ?? '');
  return Number.isNaN(ms) ? fallback : ms;
}
