import { type Answer, xmlAnswer } from '../answer.ts';
import { type Checksum, checksumInHeaders, createDigest } from '../body/checksum.ts';
import type { Digest } from '../body/crc-tables.ts';
import { writeGuard } from '../conditions.ts';
import { S3Error } from '../errors.ts';
import { OBJECT_MAX_BYTES } from '../limits.ts';
import { checksumHeaders } from '../object-headers.ts';
import type { Part, Upload } from '../store/upload-dir.ts';
import { multipartEtag, sizeOf } from '../store/uploads.ts';
import { type NamedPart, partList } from '../xml/documents.ts';
import { uploadOf } from './multipart.ts';
import { wholeSeconds } from './objects.ts';
import { type Call, readSmallBody } from './operation.ts';

/** All but the last part have to be this large. */
const PART_MIN_BYTES = 5 * 1024 * 1024;
/** 10,000 parts, each with an ETag and a checksum. */
const COMPLETE_MAX_BYTES = 4 * 1024 * 1024;

/** Puts the parts together to an object, which appears at once. */
export async function completeUpload(call: Call): Promise<Answer> {
  const { headers } = call.request;
  // A checksum among the headers is one of the object, not of this list.
  const body = await readSmallBody(call, COMPLETE_MAX_BYTES, { isForeignChecksum: true });
  const named = partList(body);
  const upload = uploadOf(call);
  const promised = checksumInWords(headers);
  const meta = await call.uploads.locked(upload, async () => {
    const parts = chooseParts(upload, named);
    checkSize(headers.get('x-amz-mp-object-size'), parts);
    const sum = new ObjectChecksum(upload, parts);
    const describe = () => ({
      key: call.key,
      etag: multipartEtag(parts),
      size: sizeOf(parts),
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
  if (sizeOf(chosen) > OBJECT_MAX_BYTES) throw new S3Error('EntityTooLarge');
  return chosen;
}

function checkSize(promised: string | undefined, parts: readonly Part[]): void {
  if (promised !== undefined && promised !== String(sizeOf(parts)))
    throw new S3Error('InvalidRequest', 'x-amz-mp-object-size is not what the parts are together');
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
