import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { syncDir, writeFileAtomic } from '../../linux/durable.ts';
import type { Checksum } from '../body/checksum.ts';
import type { Payload } from '../body/payload.ts';
import { S3Error } from '../errors.ts';
import { type Layout, listDirs, removeDurably } from './disk.ts';
import { receive } from './incoming.ts';
import { KeyLock } from './key-lock.ts';
import { encodeFooter } from './object-file.ts';

/** What an upload in parts was begun with; kept as JSON in its directory. */
export interface UploadInfo {
  readonly bucket: string;
  readonly key: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly algorithm: Checksum['algorithm'] | null;
  readonly type: Checksum['type'];
  readonly startedMs: number;
}

export interface Part {
  readonly number: number;
  /** The hex of its MD5. */
  readonly etag: string;
  readonly size: number;
  readonly modifiedMs: number;
  readonly checksum: Checksum | null;
}

export interface Upload {
  readonly id: string;
  readonly info: UploadInfo;
  readonly parts: Map<number, Part>;
}

const UPLOADS_MAX = 1000;
/** One that nobody has completed within a week is removed by the next start. */
const STALE_MS = 7 * 24 * 3600 * 1000;
const INFO = 'upload.json';
/** `<number>.json` says that the file of that number counts, and what it is. */
const PART = /^(\d{1,5})\.json$/;

/** Uploads in parts that are neither completed nor aborted: a directory each, with a file for each part. */
export class Uploads {
  readonly #layout: Layout;
  readonly #uploads = new Map<string, Upload>();
  readonly #locks = new KeyLock();

  static async open(layout: Layout, now: number): Promise<Uploads> {
    const uploads = new Uploads(layout);
    for (const id of await listDirs(layout.uploads)) {
      const upload = await readUpload(join(layout.uploads, id), id);
      if (upload !== null && now - upload.info.startedMs < STALE_MS) uploads.#uploads.set(id, upload);
      // Killed while it was begun, or nobody wants it any more.
      else await removeDurably(join(layout.uploads, id), join(layout.temporary, id));
    }
    return uploads;
  }

  private constructor(layout: Layout) {
    this.#layout = layout;
  }

  /** By key, then by age. */
  list(bucket: string): readonly Upload[] {
    const ours = [...this.#uploads.values()].filter(({ info }) => info.bucket === bucket);
    const order = (a: UploadInfo, b: UploadInfo) =>
      a.key === b.key ? a.startedMs - b.startedMs : a.key < b.key ? -1 : 1;
    return ours.sort((a, b) => order(a.info, b.info));
  }

  /** Throws NoSuchUpload, also where it is one of another object. */
  get(id: string, bucket: string, key: string): Upload {
    const upload = this.#uploads.get(id);
    if (upload?.info.bucket !== bucket || upload.info.key !== key) throw new S3Error('NoSuchUpload');
    return upload;
  }

  async create(info: UploadInfo): Promise<string> {
    if (this.#uploads.size >= UPLOADS_MAX)
      throw new S3Error('SlowDown', 'there are too many uploads in parts');
    const id = randomUUID();
    const dir = join(this.#layout.uploads, id);
    await mkdir(dir, { mode: 0o700 });
    await writeFileAtomic(join(dir, INFO), JSON.stringify(info), 0o600);
    await syncDir(this.#layout.uploads);
    this.#uploads.set(id, { id, info, parts: new Map() });
    return id;
  }

  /** Takes in a part, which replaces one of the same number. */
  async putPart(upload: Upload, number: number, payload: Payload, now: number): Promise<Part> {
    const incoming = await receive(this.#layout.temporary, payload.data, () => encodeFooter({}));
    const { size, md5, checksum } = payload.result();
    const part = { number, etag: md5.toString('hex'), size, modifiedMs: now, checksum };
    try {
      await this.locked(upload, async () => {
        const path = this.#partPath(upload, part);
        await incoming.commit(path);
        await writeFileAtomic(join(this.#dir(upload), `${number}.json`), JSON.stringify(part), 0o600);
        upload.parts.set(number, part);
      });
    } finally {
      await incoming.discard();
    }
    return part;
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

  /** The content is in the name: a part that is replaced does not change under its description. */
  #partPath(upload: Upload, { number, etag }: Part): string {
    return join(this.#dir(upload), `${number}-${etag}.part`);
  }
}

/** MD5 of the parts' MD5s, and how many these are. */
export function multipartEtag(parts: readonly Part[]): string {
  const hash = createHash('md5');
  for (const { etag } of parts) hash.update(Buffer.from(etag, 'hex'));
  return `${hash.digest('hex')}-${parts.length}`;
}

async function readUpload(dir: string, id: string): Promise<Upload | null> {
  const names = await readdir(dir);
  if (!names.includes(INFO)) return null;
  const info = JSON.parse(await readFile(join(dir, INFO), 'utf8')) as UploadInfo;
  const parts = new Map<number, Part>();
  for (const name of names.filter((one) => PART.test(one))) {
    const part = JSON.parse(await readFile(join(dir, name), 'utf8')) as Part;
    parts.set(part.number, part);
  }
  return { id, info, parts };
}
