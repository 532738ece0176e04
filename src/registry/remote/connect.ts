import type { S3Client, S3ClientConfig } from '@aws-sdk/client-s3';
import type { BucketConfig } from '../../config/load.ts';

export type Sdk = typeof import('@aws-sdk/client-s3');

export interface Connection {
  readonly sdk: Sdk;
  /** The caller's to destroy. */
  readonly client: S3Client;
}

/** A client of the bucket's server; asks nobody. The SDK is loaded here: it takes a fifth of a second, which a local registry does without. */
export async function connect(config: BucketConfig, more: S3ClientConfig = {}): Promise<Connection> {
  const sdk = await import('@aws-sdk/client-s3');
  const client = new sdk.S3Client({
    endpoint: config.server,
    region: config.region,
    // Names of buckets need not be names of hosts.
    forcePathStyle: true,
    credentials: { accessKeyId: config.accessKey, secretAccessKey: config.secretKey },
    ...more,
  });
  return { sdk, client };
}

/** For messages: server and bucket. */
export function placeOf({ server, bucket }: BucketConfig): string {
  return `${server}/${bucket}`;
}

/** Whether the server has answered that there is no such object. */
export function isNoSuchKey(error: unknown): boolean {
  return error instanceof Error && error.name === 'NoSuchKey';
}
