import { DeleteObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import type { ConfigFile } from '../../src/config/schema.ts';
import { bundleOfHandler } from '../helpers/bundle.ts';
import { type EmbeddedS3, startEmbeddedS3 } from '../helpers/embedded-s3.ts';
import type { Supply } from './stage.ts';

/** Functions as bundles in a bucket, put there by somebody who checks nothing. */
export class BucketSupply implements Supply, AsyncDisposable {
  readonly settings: ConfigFile;
  readonly #server: EmbeddedS3;
  readonly #client: S3Client;

  static async start(): Promise<BucketSupply> {
    return new BucketSupply(await startEmbeddedS3());
  }

  private constructor(server: EmbeddedS3) {
    this.#server = server;
    const { server: endpoint, bucket, region, accessKey, secretKey } = server.bucket;
    const credentials = { accessKeyId: accessKey, secretAccessKey: secretKey };
    this.#client = new S3Client({ endpoint, region, credentials, forcePathStyle: true });
    this.settings = {
      registry: 'remote',
      registry_server: endpoint,
      registry_bucket: bucket,
      registry_access_key: accessKey,
      registry_secret_key: secretKey,
      // Each call asks, so that it sees what was put there last.
      registry_check_ms: 0,
    };
  }

  async put(name: string, bundle: Buffer): Promise<void> {
    const { bucket: Bucket } = this.#server.bucket;
    await this.#client.send(new PutObjectCommand({ Bucket, Key: name, Body: bundle }));
  }

  write(name: string, code: string): Promise<void> {
    return this.put(name, bundleOfHandler(code));
  }

  async remove(name: string): Promise<void> {
    const { bucket: Bucket } = this.#server.bucket;
    await this.#client.send(new DeleteObjectCommand({ Bucket, Key: name }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#client.destroy();
    await this.#server[Symbol.asyncDispose]();
  }
}
