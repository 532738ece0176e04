import { join } from 'node:path';
import type { Log } from '../../telemetry/log.ts';
import { S3Error } from '../errors.ts';
import { Bucket } from './bucket.ts';
import { type Layout, listDirs, madeAt, makeDir } from './disk.ts';

const BUCKETS_MAX = 100;
/** S3's rule: 3 to 63 lower-case letters, digits, dots and hyphens, no address. It makes a safe directory name, too. */
const NAME = /^(?!.*\.\.)(?!\d+\.\d+\.\d+\.\d+$)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;

/** The buckets of a server, each a directory. */
export class Buckets {
  readonly #layout: Layout;
  readonly #log: Log;
  readonly #buckets = new Map<string, Bucket>();
  /** Makes and removes one after the other. */
  #turn: Promise<unknown> = Promise.resolve();

  static async open(layout: Layout, log: Log): Promise<Buckets> {
    const buckets = new Buckets(layout, log);
    for (const name of await listDirs(layout.buckets)) {
      if (NAME.test(name)) await buckets.#load(name, await madeAt(join(layout.buckets, name)));
      else log.warn({ path: join(layout.buckets, name) }, 'this directory is no bucket');
    }
    return buckets;
  }

  private constructor(layout: Layout, log: Log) {
    this.#layout = layout;
    this.#log = log;
  }

  /** By name. */
  list(): readonly Bucket[] {
    return [...this.#buckets.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Throws NoSuchBucket. */
  get(name: string): Bucket {
    const bucket = this.#buckets.get(name);
    if (bucket === undefined) throw new S3Error('NoSuchBucket', undefined, { fields: { BucketName: name } });
    return bucket;
  }

  has(name: string): boolean {
    return this.#buckets.has(name);
  }

  async create(name: string): Promise<void> {
    if (!NAME.test(name)) throw new S3Error('InvalidBucketName');
    await this.#inTurn(async () => {
      if (this.has(name))
        throw new S3Error('BucketAlreadyOwnedByYou', undefined, { fields: { BucketName: name } });
      if (this.#buckets.size >= BUCKETS_MAX) throw new S3Error('TooManyBuckets');
      await this.#load(name, await makeDir(join(this.#layout.buckets, name)));
    });
  }

  /** Throws BucketNotEmpty. */
  async remove(name: string): Promise<void> {
    await this.#inTurn(async () => {
      await this.get(name).retire();
      this.#buckets.delete(name);
    });
  }

  async #load(name: string, createdMs: number): Promise<void> {
    const dir = join(this.#layout.buckets, name);
    this.#buckets.set(name, await Bucket.open(dir, name, createdMs, this.#layout.temporary, this.#log));
  }

  async #inTurn(work: () => Promise<void>): Promise<void> {
    const before = this.#turn;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#turn = promise;
    try {
      await before;
      await work();
    } finally {
      resolve();
    }
  }
}
