import { type FileHandle, open, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { syncDir } from '../../linux/durable.ts';
import type { Log } from '../../telemetry/log.ts';
import { S3Error } from '../errors.ts';
import { readObjects, removeDir } from './disk.ts';
import { type Incoming, receive } from './incoming.ts';
import { KeyIndex } from './key-index.ts';
import { KeyLock } from './key-lock.ts';
import { encodeFooter, fileNameOf, type ObjectMeta, readMeta } from './object-file.ts';

/** Decides on what is there (null: nothing) whether a change goes on; throws S3Error where it does not. */
export type Guard = (present: ObjectMeta | null) => void;

/** Of one bucket: about 500 bytes of memory a key, and its length twice. */
export const OBJECTS_MAX = 100_000;

/** The objects of one bucket: files in one directory, and an index of them in memory. */
export class Bucket {
  readonly name: string;
  readonly createdMs: number;
  readonly dir: string;
  readonly #temporary: string;
  readonly #index: KeyIndex<ObjectMeta>;
  readonly #locks = new KeyLock();
  #isRetired = false;

  static async open(
    dir: string,
    name: string,
    createdMs: number,
    temporary: string,
    log: Log,
  ): Promise<Bucket> {
    const metas = await readObjects(dir, log);
    return new Bucket(dir, name, createdMs, temporary, metas);
  }

  private constructor(dir: string, name: string, createdMs: number, temporary: string, metas: ObjectMeta[]) {
    this.dir = dir;
    this.name = name;
    this.createdMs = createdMs;
    this.#temporary = temporary;
    this.#index = KeyIndex.from(metas.map((meta) => [meta.key, meta]));
  }

  get size(): number {
    return this.#index.size;
  }

  /** In S3's order. */
  get keys(): readonly string[] {
    return this.#index.keys;
  }

  look(key: string): ObjectMeta | null {
    return this.#index.get(key) ?? null;
  }

  /** An object and a descriptor of its bytes, which the caller closes; a later change of the object does not touch them. */
  async open(key: string): Promise<{ meta: ObjectMeta; handle: FileHandle }> {
    if (this.look(key) === null) throw new S3Error('NoSuchKey', undefined, { fields: { Key: key } });
    const handle = await openExisting(this.#path(key));
    try {
      // Not from the index: the file may be a newer one than the index was asked about.
      const meta = await readMeta(handle);
      if (meta === null) throw new Error(`${this.#path(key)} does not hold the object that it held at start`);
      return { meta, handle };
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** Writes an object: all of it is on the disk and seen when this returns, or nothing has changed. */
  async put(
    data: AsyncIterable<Buffer>,
    describe: () => ObjectMeta,
    guard: Guard,
    key: string,
  ): Promise<ObjectMeta> {
    guard(this.look(key)); // before a large body is taken for nothing
    let meta: ObjectMeta | null = null;
    const incoming = await receive(this.#temporary, data, () => {
      meta = describe();
      return encodeFooter(meta);
    });
    if (meta === null) throw new Error('an object was written without a footer');
    await this.#commit(incoming, meta, guard);
    return meta;
  }

  /** Removes an object; does nothing where there is none. */
  async delete(key: string, guard: Guard): Promise<void> {
    await this.#change(key, async () => {
      guard(this.look(key));
      if (this.look(key) === null) return;
      await unlink(this.#path(key));
      this.#index.delete(key);
      await syncDir(this.dir);
    });
  }

  /** Removes the bucket, with nothing under way in it. Throws BucketNotEmpty. */
  async retire(): Promise<void> {
    this.#isRetired = true;
    try {
      await this.#locks.idle();
      if (this.size > 0) throw new S3Error('BucketNotEmpty');
      await removeDir(this.dir);
    } catch (error) {
      this.#isRetired = false;
      // There is a file that is no object.
      if ((error as NodeJS.ErrnoException).code === 'ENOTEMPTY')
        throw new S3Error('BucketNotEmpty', undefined, { cause: error });
      throw error;
    }
  }

  async #commit(incoming: Incoming, meta: ObjectMeta, guard: Guard): Promise<void> {
    const { key } = meta;
    try {
      await this.#change(key, async () => {
        guard(this.look(key));
        if (this.look(key) === null && this.size >= OBJECTS_MAX) {
          throw new S3Error('ServiceUnavailable', `a bucket holds ${OBJECTS_MAX} objects at most`);
        }
        await incoming.commit(this.#path(key));
        // Before it is synced: where that fails, the index still says what the directory does.
        this.#index.set(key, meta);
        await syncDir(this.dir);
      });
    } finally {
      await incoming.discard();
    }
  }

  /** A removed bucket takes no more changes: one of the same name may have its directory by now. */
  async #change(key: string, work: () => Promise<void>): Promise<void> {
    if (this.#isRetired) throw new S3Error('NoSuchBucket', undefined, { fields: { BucketName: this.name } });
    await this.#locks.run(key, work);
  }

  #path(key: string): string {
    return join(this.dir, fileNameOf(key));
  }
}

async function openExisting(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'r');
  } catch (error) {
    // It was deleted since the index was asked.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT')
      throw new S3Error('NoSuchKey', undefined, { cause: error });
    throw error;
  }
}
