import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { syncDir, writeFileAtomic } from '../../linux/durable.ts';
import type { Payload } from '../body/payload.ts';
import { S3Error } from '../errors.ts';
import { OBJECT_MAX_BYTES } from '../limits.ts';
import { type Layout, listDirs, removeDurably } from './disk.ts';
import { type Incoming, receive } from './incoming.ts';
import { KeyLock } from './key-lock.ts';
import { compareKeys } from './key-order.ts';
import { encodeFooter } from './object-file.ts';
import { INFO, type Part, partFile, readUpload, type Upload, type UploadInfo } from './upload-dir.ts';

const UPLOADS_MAX = 1000;
/** One that nobody has completed within a week is removed by the next start, and when another one begins. */
const STALE_MS = 7 * 24 * 3600 * 1000;

/** Uploads in parts that are neither completed nor aborted: a directory each, with a file for each part. */
export class Uploads {
  readonly #layout: Layout;
  readonly #uploads = new Map<string, Upload>();
  readonly #locks = new KeyLock();

  /** Finds those that are there. Those that were not begun to the end, are too old, or of a bucket that is not `wanted` are removed. */
  static async open(layout: Layout, now: number, wanted: (bucket: string) => boolean): Promise<Uploads> {
    const uploads = new Uploads(layout);
    for (const id of await listDirs(layout.uploads)) {
      const upload = await readUpload(join(layout.uploads, id), id);
      if (upload !== null && wanted(upload.info.bucket) && !isStale(upload, now)) {
        uploads.#uploads.set(id, upload);
      } else {
        await removeDurably(join(layout.uploads, id), join(layout.temporary, id));
      }
    }
    return uploads;
  }

  private constructor(layout: Layout) {
    this.#layout = layout;
  }

  /** By key, then by age. */
  list(bucket: string): readonly Upload[] {
    const ours = [...this.#uploads.values()].filter(({ info }) => info.bucket === bucket);
    const order = (a: UploadInfo, b: UploadInfo) => compareKeys(a.key, b.key) || a.startedMs - b.startedMs;
    return ours.sort((a, b) => order(a.info, b.info));
  }

  /** Throws NoSuchUpload, also where it is one of another object. */
  get(id: string, bucket: string, key: string): Upload {
    const upload = this.#uploads.get(id);
    if (upload?.info.bucket !== bucket || upload.info.key !== key) throw new S3Error('NoSuchUpload');
    return upload;
  }

  async create(info: UploadInfo): Promise<string> {
    await this.#removeStale(info.startedMs);
    if (this.#uploads.size >= UPLOADS_MAX)
      throw new S3Error('SlowDown', 'there are too many uploads in parts');
    const id = randomUUID();
    const dir = join(this.#layout.uploads, id);
    await mkdir(dir, { mode: 0o700 });
    try {
      await writeFileAtomic(join(dir, INFO), JSON.stringify(info), 0o600);
      await syncDir(this.#layout.uploads);
    } catch (error) {
      await rm(dir, { recursive: true });
      throw error;
    }
    this.#uploads.set(id, { id, info, parts: new Map() });
    return id;
  }

  async #removeStale(now: number): Promise<void> {
    for (const upload of [...this.#uploads.values()].filter((one) => isStale(one, now))) {
      await this.#locks.run(upload.id, async () => {
        if (this.#uploads.has(upload.id)) await this.remove(upload);
      });
    }
  }

  /** Takes in a part, which replaces one of the same number. Throws EntityTooLarge where all would be too much for an object. */
  async putPart(upload: Upload, number: number, payload: Payload, now: number): Promise<Part> {
    const incoming = await receive(this.#layout.temporary, payload.data, () => encodeFooter({}));
    const { size, md5, checksum } = payload.result();
    const part = { number, etag: md5.toString('hex'), size, modifiedMs: now, checksum };
    try {
      await this.locked(upload, () => this.#take(upload, part, incoming));
    } finally {
      await incoming.discard();
    }
    return part;
  }

  async #take(upload: Upload, part: Part, incoming: Incoming): Promise<void> {
    const before = upload.parts.get(part.number);
    const others = [...upload.parts.values()].filter((one) => one !== before);
    if (sizeOf([...others, part]) > OBJECT_MAX_BYTES) throw new S3Error('EntityTooLarge');
    const path = this.#partPath(upload, part);
    const isSame = before?.etag === part.etag;
    await incoming.commit(path);
    try {
      await writeFileAtomic(join(this.#dir(upload), `${part.number}.json`), JSON.stringify(part), 0o600);
    } catch (error) {
      if (!isSame) await rm(path);
      throw error;
    }
    upload.parts.set(part.number, part);
    if (before !== undefined && !isSame) await rm(this.#partPath(upload, before));
  }

  /** Runs what must not meet another change of this upload. Throws NoSuchUpload where it is over. */
  async locked<T>(upload: Upload, work: () => Promise<T>): Promise<T> {
    return await this.#locks.run(upload.id, async () => {
      if (this.#uploads.get(upload.id) !== upload) throw new S3Error('NoSuchUpload');
      return await work();
    });
  }

  /** The bytes of parts, one after the other. */
  async *read(upload: Upload, parts: readonly Part[]): AsyncGenerator<Buffer> {
    for (const part of parts) {
      if (part.size > 0) yield* createReadStream(this.#partPath(upload, part), { end: part.size - 1 });
    }
  }

  /** Forgets an upload and its parts; to be called within `locked`. */
  async remove(upload: Upload): Promise<void> {
    this.#uploads.delete(upload.id);
    await removeDurably(this.#dir(upload), join(this.#layout.temporary, upload.id));
  }

  #dir({ id }: Upload): string {
    return join(this.#layout.uploads, id);
  }

  #partPath(upload: Upload, part: Part): string {
    return join(this.#dir(upload), partFile(part));
  }
}

/** MD5 of the parts' MD5s, and how many these are. */
export function multipartEtag(parts: readonly Part[]): string {
  const hash = createHash('md5');
  for (const { etag } of parts) hash.update(Buffer.from(etag, 'hex'));
  return `${hash.digest('hex')}-${parts.length}`;
}

/** In bytes, of all together. */
export function sizeOf(parts: readonly Part[]): number {
  return parts.reduce((total, { size }) => total + size, 0);
}

function isStale({ info }: Upload, now: number): boolean {
  return now - info.startedMs >= STALE_MS;
}
