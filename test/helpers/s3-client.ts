import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  PutObjectCommand,
  S3Client,
  type S3ClientConfig,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import type { BucketConfig } from '../../src/config/load.ts';

/** A client of a test's S3 server, with today's defaults of the SDK; `destroy` it. */
export function connectTo(config: BucketConfig, more: S3ClientConfig = {}): S3Client {
  const { server: endpoint, region, accessKey: accessKeyId, secretKey: secretAccessKey } = config;
  const credentials = { accessKeyId, secretAccessKey };
  return new S3Client({ endpoint, region, credentials, forcePathStyle: true, ...more });
}

/** What tests do with one bucket; each is tried once. */
export class TestBucket implements Disposable {
  readonly client: S3Client;
  readonly #Bucket: string;

  constructor(config: BucketConfig, more: S3ClientConfig = {}) {
    this.client = connectTo(config, { maxAttempts: 1, ...more });
    this.#Bucket = config.bucket;
  }

  at<T extends object>(Key: string, more: T) {
    return { Bucket: this.#Bucket, Key, ...more };
  }

  async put(key: string, Body: Buffer | string): Promise<void> {
    await this.client.send(new PutObjectCommand(this.at(key, { Body })));
  }

  /** Null where there is none. */
  async get(key: string): Promise<Buffer | null> {
    try {
      const { Body } = await this.client.send(new GetObjectCommand(this.at(key, {})));
      return Buffer.from((await Body?.transformToByteArray()) ?? []);
    } catch (error) {
      if ((error as Error).name === 'NoSuchKey') return null;
      throw error;
    }
  }

  async remove(key: string): Promise<void> {
    await this.client.send(new DeleteObjectCommand(this.at(key, {})));
  }

  async begin(key: string, more = {}): Promise<string> {
    const { UploadId } = await this.client.send(new CreateMultipartUploadCommand(this.at(key, more)));
    return UploadId ?? '';
  }

  /** Its ETag. */
  async part(key: string, UploadId: string, PartNumber: number, Body: Buffer, more = {}): Promise<string> {
    const command = new UploadPartCommand(this.at(key, { UploadId, PartNumber, Body, ...more }));
    return (await this.client.send(command)).ETag ?? '';
  }

  /** Of parts from 1 on. */
  async complete(key: string, UploadId: string, etags: readonly string[], more = {}): Promise<void> {
    const Parts = etags.map((ETag, at) => ({ ETag, PartNumber: at + 1 }));
    const command = this.at(key, { UploadId, MultipartUpload: { Parts }, ...more });
    await this.client.send(new CompleteMultipartUploadCommand(command));
  }

  [Symbol.dispose](): void {
    this.client.destroy();
  }
}

/** Status and code that a server refuses with. */
export async function refusalOf(work: Promise<unknown>): Promise<[number | undefined, string]> {
  try {
    await work;
  } catch (error) {
    const { $metadata, name } = error as { $metadata?: { httpStatusCode?: number }; name: string };
    return [$metadata?.httpStatusCode, name];
  }
  throw new Error('it was not refused');
}
