import { type Answer, xmlAnswer } from '../answer.ts';
import { type Checksum, checksumInHeaders, createDigest, toAlgorithm } from '../body/checksum.ts';
import type { Digest } from '../body/crc-tables.ts';
import { writeGuard } from '../conditions.ts';
import { S3Error } from '../errors.ts';
import { OBJECT_MAX_BYTES } from '../limits.ts';
import { checksumHeaders, headersToKeep } from '../object-headers.ts';
import { multipartEtag, type Part, type Upload } from '../store/uploads.ts';
import { type NamedPart, partList } from '../xml/documents.ts';
import type { Element } from '../xml/write.ts';
import { isoTime } from './buckets.ts';
import { wholeSeconds } from './objects.ts';
import { type Call, numberIn, readNoBody, readSmallBody } from './operation.ts';

/** All but the last part have to be this large. */
const PART_MIN_BYTES = 5 * 1024 * 1024;
const PARTS_MAX = 10_000;
/** 10,000 parts, each with an ETag and a checksum. */
const COMPLETE_MAX_BYTES = 4 * 1024 * 1024;
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
  const payload = call.body({ maxBytes: OBJECT_MAX_BYTES, algorithm: upload.info.algorithm });
  const part = await call.uploads.putPart(upload, number, payload, wholeSeconds(call.now()));
  return { status: 200, headers: { etag: `"${part.etag}"`, ...checksumHeaders(part) } };
}

export async function abortUpload(call: Call): Promise<Answer> {
  await readNoBody(call);
  const upload = uploadOf(call);
  await call.uploads.locked(upload, () => call.uploads.remove(upload));
  return { status: 204 };
}

/** Puts the parts together to an object, which appears at once. */
export async function completeUpload(call: Call): Promise<Answer> {
  const { headers } = call.request;
  const named = partList(await readSmallBody(call, COMPLETE_MAX_BYTES));
  const upload = uploadOf(call);
  const promised = checksumInWords(headers);
  const meta = await call.uploads.locked(upload, async () => {
    const parts = chooseParts(upload, named);
    const sum = new ObjectChecksum(upload, parts);
    const describe = () => ({
      key: call.key,
      etag: multipartEtag(parts),
      size: parts.reduce((total, { size }) => total + size, 0),
      modifiedMs: wholeSeconds(call.now()),
      headers: upload.info.headers,
      checksum: sum.checked(promised),
    });
    const bucket = call.buckets.get(call.bucket);
    const done = await bucket.put(
      sum.watch(call.uploads.read(upload, parts)),
      describe,
      writeGuard(headers),
      call.key,
    );
    await call.uploads.remove(upload);
    return done;
  });
  const answer = xmlAnswer('CompleteMultipartUploadResult', [
    ['Location', `/${call.bucket}/${call.key}`],
    ['Bucket', call.bucket],
    ['Key', call.key],
    ['ETag', `"${meta.etag}"`],
  ]);
  return { ...answer, headers: checksumHeaders(meta) };
}

/** `<base64>` or `<base64>-<parts>`; the second is no checksum of bytes, so it is not read as one. */
function checksumInWords(headers: ReadonlyMap<string, string>): string | null {
  const bare = new Map([...headers].map(([name, value]) => [name, value.replace(/-\d+$/, '')] as const));
  const found = checksumInHeaders(bare);
  return found === null ? null : (headers.get(`x-amz-checksum-${found.algorithm}`) ?? null);
}

function chooseParts({ parts, info }: Upload, named: readonly NamedPart[]): readonly Part[] {
  const chosen = named.map(({ number, etag, checksums }, at) => {
    if (at > 0 && number <= (named[at - 1]?.number ?? 0)) throw new S3Error('InvalidPartOrder');
    const part = parts.get(number);
    const expected = info.algorithm === null ? undefined : checksums.get(info.algorithm);
    const isRight = expected === undefined || expected === part?.checksum?.value;
    if (part?.etag !== etag || !isRight) throw new S3Error('InvalidPart', `part ${number}`);
    return part;
  });
  if (chosen.slice(0, -1).some(({ size }) => size < PART_MIN_BYTES)) throw new S3Error('EntityTooSmall');
  if (chosen.reduce((total, { size }) => total + size, 0) > OBJECT_MAX_BYTES)
    throw new S3Error('EntityTooLarge');
  return chosen;
}

/** The checksum of an object made of parts: of its bytes, or of the parts' checksums. */
class ObjectChecksum {
  readonly #upload: Upload;
  readonly #parts: readonly Part[];
  readonly #digest: Digest | null;

  constructor(upload: Upload, parts: readonly Part[]) {
    const { algorithm } = upload.info;
    this.#upload = upload;
    this.#parts = parts;
    this.#digest = algorithm === null ? null : createDigest(algorithm);
  }

  async *watch(data: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const piece of data) {
      if (this.#upload.info.type === 'full') this.#digest?.update(piece);
      yield piece;
    }
  }

  /** Throws BadDigest where it is not what was promised. */
  checked(promised: string | null): Checksum | null {
    const { algorithm, type } = this.#upload.info;
    if (algorithm === null || this.#digest === null) return null;
    if (type === 'composite') {
      for (const { checksum } of this.#parts)
        this.#digest.update(Buffer.from(checksum?.value ?? '', 'base64'));
    }
    const suffix = type === 'full' ? '' : `-${this.#parts.length}`;
    const value = `${this.#digest.digest('base64')}${suffix}`;
    if (promised !== null && promised !== value) throw new S3Error('BadDigest');
    return { algorithm, value, type };
  }
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

function uploadOf(call: Call): Upload {
  call.buckets.get(call.bucket);
  return call.uploads.get(call.request.query.get('uploadId') ?? '', call.bucket, call.key);
}
