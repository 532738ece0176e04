import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import type { BucketConfig } from '../../src/config/load.ts';
import type { ConfigFile } from '../../src/config/schema.ts';
import { packDirectory } from '../../src/registry/bundle/pack.ts';
import { isFunctionName } from '../../src/registry/names.ts';
import { S3Store } from '../../src/registry/store/s3-store.ts';
import type { Store } from '../../src/registry/store/store.ts';

const TIMEOUT_MS = 30_000;

/** A bucket of one test cluster: what is written to the cluster's registry directory is put there as well, as `admin upload` does. */
export class BucketUpload {
  /** What makes a worker take its code from there; every call asks, so that an edit is seen at once. */
  readonly settings: ConfigFile;
  readonly #store: Store;
  readonly #scratchDir: string;

  static async create(server: Omit<BucketConfig, 'bucket'>, scratchDir: string): Promise<BucketUpload> {
    const config = { ...server, bucket: `test-${randomUUID()}` };
    const { region, accessKey: accessKeyId, secretKey: secretAccessKey } = config;
    const credentials = { accessKeyId, secretAccessKey };
    const client = new S3Client({ endpoint: config.server, region, credentials, forcePathStyle: true });
    try {
      await client.send(new CreateBucketCommand({ Bucket: config.bucket }));
    } finally {
      client.destroy();
    }
    return new BucketUpload(config, await S3Store.open(config, TIMEOUT_MS), scratchDir);
  }

  private constructor(config: BucketConfig, store: Store, scratchDir: string) {
    this.settings = {
      registry: 'remote',
      registry_server: config.server,
      registry_bucket: config.bucket,
      registry_region: config.region,
      registry_access_key: config.accessKey,
      registry_secret_key: config.secretKey,
      registry_check_ms: 0,
    };
    this.#store = store;
    this.#scratchDir = scratchDir;
  }

  /** Packs a function's directory, and puts it in the place of what was there. What is no function is left alone. */
  async put(name: string, dir: string): Promise<void> {
    if (!isFunctionName(name)) return;
    const temporary = await mkdtemp(join(this.#scratchDir, 'bundle-'));
    try {
      const bundle = join(temporary, 'bundle.tar.gz');
      await packDirectory(dir, bundle, { name });
      await this.#store.put(name, bundle);
    } finally {
      await rm(temporary, { recursive: true });
    }
  }

  async remove(name: string): Promise<void> {
    await this.#store.remove(name);
  }

  close(): void {
    this.#store.close();
  }
}
