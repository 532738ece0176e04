import { type Answer, xmlAnswer } from '../answer.ts';
import type { Payload } from '../body/payload.ts';
import { checkRead, rangeIn, writeGuard } from '../conditions.ts';
import { S3Error } from '../errors.ts';
import { OBJECT_MAX_BYTES } from '../limits.ts';
import { checksumHeaders, headersOf, headersToKeep } from '../object-headers.ts';
import { parseRange } from '../range.ts';
import type { ObjectMeta } from '../store/object-file.ts';
import { deleteList } from '../xml/documents.ts';
import type { Content } from '../xml/write.ts';
import { type Call, readNoBody, readSmallBody } from './operation.ts';

const DELETE_MAX_BYTES = 2 * 1024 * 1024;

export async function putObject(call: Call): Promise<Answer> {
  const { request, key } = call;
  const bucket = call.buckets.get(call.bucket);
  const headers = headersToKeep(request.headers, request.query);
  const guard = writeGuard(request.headers);
  const payload = call.body({ maxBytes: OBJECT_MAX_BYTES });
  const describe = () => describeObject(key, headers, payload, call.now());
  const meta = await bucket.put(payload.data, describe, guard, key);
  return { status: 200, headers: { etag: `"${meta.etag}"`, ...checksumHeaders(meta) } };
}

function describeObject(
  key: string,
  headers: Record<string, string>,
  payload: Payload,
  now: number,
): ObjectMeta {
  const { size, md5, checksum } = payload.result();
  return { key, etag: md5.toString('hex'), size, modifiedMs: wholeSeconds(now), headers, checksum };
}

/** HTTP tells times in seconds: what is kept finer would be newer than what it is said to be. */
export function wholeSeconds(ms: number): number {
  return Math.floor(ms / 1000) * 1000;
}

/** GET and HEAD. */
export async function getObject(call: Call): Promise<Answer> {
  const { headers, query } = call.request;
  await readNoBody(call);
  const { meta, handle } = await call.buckets.get(call.bucket).open(call.key);
  try {
    const wanted = rangeIn(headers, meta);
    const told = headersOf(
      meta,
      query,
      wanted === undefined && headers.get('x-amz-checksum-mode') === 'ENABLED',
    );
    if (checkRead(headers, meta) === 'not modified') {
      await handle.close();
      return { status: 304, headers: told };
    }
    const range = parseRange(wanted, meta.size);
    if (range === null) return { status: 200, headers: told, file: { handle, start: 0, length: meta.size } };
    const contentRange = `bytes ${range.start}-${range.start + range.length - 1}/${meta.size}`;
    return { status: 206, headers: { ...told, 'content-range': contentRange }, file: { handle, ...range } };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

export async function deleteObject(call: Call): Promise<Answer> {
  await readNoBody(call);
  await call.buckets.get(call.bucket).delete(call.key, writeGuard(call.request.headers));
  return { status: 204 };
}

/** Deletes many; one that fails is told of in the answer, and the others are deleted nevertheless. */
export async function deleteObjects(call: Call): Promise<Answer> {
  const bucket = call.buckets.get(call.bucket);
  const { keys, isQuiet } = deleteList(await readSmallBody(call, DELETE_MAX_BYTES));
  const results: [string, Content][] = [];
  for (const key of keys) {
    try {
      await bucket.delete(key, () => {});
      if (!isQuiet) results.push(['Deleted', [['Key', key]]]);
    } catch (error) {
      if (!(error instanceof S3Error)) throw error;
      results.push([
        'Error',
        [
          ['Key', key],
          ['Code', error.code],
          ['Message', error.message],
        ],
      ]);
    }
  }
  return xmlAnswer('DeleteResult', results);
}
