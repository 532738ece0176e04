import { join } from 'node:path';
import { CreateBucketCommand, ListBucketsCommand } from '@aws-sdk/client-s3';
import { beforeEach, describe, expect, test } from 'vitest';
import { Disk, whyNoDisk } from '../helpers/disk.ts';
import { serveS3 } from '../helpers/embedded-s3.ts';
import { TestBucket } from '../helpers/s3-client.ts';

const MB = 1024 * 1024;
const DISK = 96 * MB;
const data = (megabytes: number, text: string) => Buffer.alloc(megabytes * MB, text);

/** Does something to a bucket, and then looks at what a power cut at that very moment would have left of it. */
async function cutAfter<T>(
  work: (bucket: TestBucket) => Promise<T>,
  look: (bucket: TestBucket, done: T) => Promise<void>,
): Promise<void> {
  using disk = Disk.inFile(DISK);
  await using server = await serveS3(join(disk.path, 's3'));
  using bucket = new TestBucket(server.bucket);
  const done = await work(bucket);
  using after = disk.afterPowerCut();
  await using next = await serveS3(join(after.path, 's3'));
  using found = new TestBucket(next.bucket);
  await look(found, done);
}

describe('after a power cut, what was acknowledged is there', () => {
  const missing = whyNoDisk();
  beforeEach(({ skip }) => skip(missing !== null, missing ?? ''));

  test('a new object, whole', async () => {
    await cutAfter(
      (bucket) => bucket.put('object', data(3, 'new')),
      async (bucket) => expect((await bucket.get('object'))?.equals(data(3, 'new'))).toBe(true),
    );
  });

  test('an object that replaced another one', async () => {
    await cutAfter(
      async (bucket) => {
        await bucket.put('object', data(2, 'old'));
        await bucket.put('object', data(1, 'new'));
      },
      async (bucket) => expect((await bucket.get('object'))?.equals(data(1, 'new'))).toBe(true),
    );
  });

  test('that one was deleted', async () => {
    await cutAfter(
      async (bucket) => {
        await bucket.put('object', 'x');
        await bucket.remove('object');
      },
      async (bucket) => expect(await bucket.get('object')).toBe(null),
    );
  });

  test('a bucket', async () => {
    await cutAfter(
      (bucket) => bucket.client.send(new CreateBucketCommand({ Bucket: 'another' })),
      async (bucket) => {
        const { Buckets = [] } = await bucket.client.send(new ListBucketsCommand({}));
        expect(Buckets.map(({ Name }) => Name)).toEqual(['another', 'registry']);
      },
    );
  });

  test('an upload with its parts, which goes on', async () => {
    await cutAfter(
      async (bucket) => {
        const id = await bucket.begin('large');
        return { id, etag: await bucket.part('large', id, 1, data(5, 'first')) };
      },
      async (bucket, { id, etag }) => {
        const second = await bucket.part('large', id, 2, data(1, 'second'));
        await bucket.complete('large', id, [etag, second]);
        const whole = Buffer.concat([data(5, 'first'), data(1, 'second')]);
        expect((await bucket.get('large'))?.equals(whole)).toBe(true);
      },
    );
  });

  test('an object that was uploaded in parts', async () => {
    await cutAfter(
      async (bucket) => {
        const id = await bucket.begin('large');
        const etags = [
          await bucket.part('large', id, 1, data(5, 'first')),
          await bucket.part('large', id, 2, data(1, 'second')),
        ];
        await bucket.complete('large', id, etags);
      },
      async (bucket) => {
        const whole = Buffer.concat([data(5, 'first'), data(1, 'second')]);
        expect((await bucket.get('large'))?.equals(whole)).toBe(true);
      },
    );
  });
});
