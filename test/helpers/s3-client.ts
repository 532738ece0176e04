import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3';
import type { BucketConfig } from '../../src/config/load.ts';

/** A client of a test's S3 server, with today's defaults of the SDK; `destroy` it. */
export function connectTo(config: BucketConfig, more: S3ClientConfig = {}): S3Client {
  const { server: endpoint, region, accessKey: accessKeyId, secretKey: secretAccessKey } = config;
  const credentials = { accessKeyId, secretAccessKey };
  return new S3Client({ endpoint, region, credentials, forcePathStyle: true, ...more });
}
