import { ListObjectsV2Command } from '@aws-sdk/client-s3';
import { describe, test } from 'vitest';
import type { BucketConfig } from '../../src/config/load.ts';
import { S3Store } from '../../src/registry/store/s3-store.ts';
import { startEmbeddedS3 } from '../helpers/embedded-s3.ts';
import { startRclone } from '../helpers/rclone.ts';
import { connectTo } from '../helpers/s3-client.ts';
import { whyNoTestTools } from '../helpers/test-tools.ts';
import { describeStoreContract, type StoreFixture } from './store.contract.ts';

type Start = () => Promise<AsyncDisposable & { readonly bucket: BucketConfig }>;

const makeStore = (start: Start) => async (): Promise<StoreFixture> => {
  const server = await start();
  const { bucket: Bucket } = server.bucket;
  const client = connectTo(server.bucket);
  const store = await S3Store.open(server.bucket, 10_000);
  return {
    store,
    async names() {
      const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket }));
      return Contents.map(({ Key = '' }) => Key).sort();
    },
    async dispose() {
      await store.close();
      client.destroy();
      await server[Symbol.asyncDispose]();
    },
  };
};

describeStoreContract('S3 (embedded)', makeStore(startEmbeddedS3));

const reason = whyNoTestTools();
if (reason === null) describeStoreContract('S3 (rclone)', makeStore(startRclone));
else describe('the S3 (rclone) store', () => test('keeps its contract', ({ skip }) => skip(reason)));
