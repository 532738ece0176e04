import { type Answer, xmlAnswer } from '../answer.ts';
import { toAlgorithm } from '../body/checksum.ts';
import { S3Error } from '../errors.ts';
import { OBJECT_MAX_BYTES } from '../limits.ts';
import { checksumHeaders, headersToKeep } from '../object-headers.ts';
import type { Upload } from '../store/upload-dir.ts';
import type { Element } from '../xml/write.ts';
import { isoTime } from './buckets.ts';
import { wholeSeconds } from './objects.ts';
import { type Call, numberIn, readNoBody } from './operation.ts';

const PARTS_MAX = 10_000;
const PAGE_MAX = 1000;

export async function createUpload(call: Call): Promise<Answer> {
  await readNoBody(call);
  const { headers, query } = call.request;
  const name = headers.get('x-amz-checksum-algorithm');
  const algorithm = name === undefined ? null : toAlgorithm(`x-amz-checksum-${name.toLowerCase()}`);
  const isFull = algorithm === 'crc64nvme' || headers.get('x-amz-checksum-type') === 'FULL_OBJECT';
  const id = await call.uploads.create({
    bucket: call.buckets.get(call.bucket).name,
    key: call.key,
    headers: headersToKeep(headers, query),
    algorithm,
    type: isFull ? 'full' : 'composite',
    startedMs: call.now(),
  });
  return xmlAnswer('InitiateMultipartUploadResult', [
    ['Bucket', call.bucket],
    ['Key', call.key],
    ['UploadId', id],
  ]);
}

export async function uploadPart(call: Call): Promise<Answer> {
  const number = numberIn(call, 'partNumber', 0, PARTS_MAX + 1);
  if (number < 1 || number > PARTS_MAX)
    throw new S3Error('InvalidArgument', 'partNumber has to be from 1 to 10000');
  const upload = uploadOf(call);
  const { algorithm } = upload.info;
  const payload = call.body({ maxBytes: OBJECT_MAX_BYTES, algorithm });
  if (algorithm !== null && payload.algorithm !== algorithm)
    throw new S3Error('InvalidRequest', `the checksum of a part of this upload has to be ${algorithm}`);
  const part = await call.uploads.putPart(upload, number, payload, wholeSeconds(call.now()));
  return { status: 200, headers: { etag: `"${part.etag}"`, ...checksumHeaders(part) } };
}

export async function abortUpload(call: Call): Promise<Answer> {
  await readNoBody(call);
  const upload = uploadOf(call);
  await call.uploads.locked(upload, () => call.uploads.remove(upload));
  return { status: 204 };
}

export async function listParts(call: Call): Promise<Answer> {
  await readNoBody(call);
  const upload = uploadOf(call);
  const after = numberIn(call, 'part-number-marker', 0, PARTS_MAX);
  const max = numberIn(call, 'max-parts', PAGE_MAX, PAGE_MAX);
  const all = [...upload.parts.values()]
    .filter(({ number }) => number > after)
    .sort((a, b) => a.number - b.number);
  const page = all.slice(0, max);
  return xmlAnswer('ListPartsResult', [
    ['Bucket', call.bucket],
    ['Key', call.key],
    ['UploadId', upload.id],
    ['PartNumberMarker', after],
    ['NextPartNumberMarker', page.at(-1)?.number ?? after],
    ['MaxParts', max],
    ['IsTruncated', page.length < all.length],
    ...page.map(
      ({ number, etag, size, modifiedMs }): Element => [
        'Part',
        [
          ['PartNumber', number],
          ['LastModified', isoTime(modifiedMs)],
          ['ETag', `"${etag}"`],
          ['Size', size],
        ],
      ],
    ),
  ]);
}

/** All of them: there are few enough. */
export async function listUploads(call: Call): Promise<Answer> {
  await readNoBody(call);
  const prefix = call.request.query.get('prefix') ?? '';
  const uploads = call.uploads.list(call.buckets.get(call.bucket).name);
  return xmlAnswer('ListMultipartUploadsResult', [
    ['Bucket', call.bucket],
    ['Prefix', prefix],
    ['IsTruncated', false],
    ...uploads
      .filter(({ info }) => info.key.startsWith(prefix))
      .map(
        ({ id, info }): Element => [
          'Upload',
          [
            ['Key', info.key],
            ['UploadId', id],
            ['Initiated', isoTime(info.startedMs)],
          ],
        ],
      ),
  ]);
}

export function uploadOf(call: Call): Upload {
  call.buckets.get(call.bucket);
  return call.uploads.get(call.request.query.get('uploadId') ?? '', call.bucket, call.key);
}
