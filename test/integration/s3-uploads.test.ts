import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  CreateBucketCommand,
  DeleteBucketCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
} from '@aws-sdk/client-s3';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { OBJECT_MAX_BYTES } from '../../src/s3/limits.ts';
import { type EmbeddedS3, serveS3 } from '../helpers/embedded-s3.ts';
import { refusalOf, TestBucket } from '../helpers/s3-client.ts';
import { makeTestDir, removeEmptyRoot } from '../helpers/test-root.ts';

const MB = 1024 * 1024;
const WEEK_MS = 7 * 24 * 3600 * 1000;
/** In Base64. */
const CRC32_OF_AB = 'noNIbQ==';

let parent: string;
let passedMs: number;
let server: EmbeddedS3;
let bucket: TestBucket;
const now = () => Date.now() + passedMs;
async function start(): Promise<void> {
  server = await serveS3(join(parent, 's3'), { now });
  bucket = new TestBucket(server.bucket);
}
async function stop(): Promise<void> {
  bucket[Symbol.dispose]();
  await server[Symbol.asyncDispose]();
}
beforeEach(async () => {
  [parent, passedMs] = [await makeTestDir(), 0];
  await start();
});
afterEach(async () => {
  await stop();
  await rm(parent, { recursive: true });
  await removeEmptyRoot();
});

const uploads = () => readdirSync(join(server.dir, 'uploads')).sort();
const filesOf = (id: string) => readdirSync(join(server.dir, 'uploads', id)).sort();

test('a part that is replaced goes from the disk', async () => {
  const id = await bucket.begin('large');
  await bucket.part('large', id, 1, Buffer.from('first'));
  const before = filesOf(id);
  const etag = await bucket.part('large', id, 1, Buffer.from('other'));
  expect(filesOf(id)).toHaveLength(before.length);
  await bucket.part('large', id, 1, Buffer.from('other'));
  await bucket.complete('large', id, [etag]);
  expect((await bucket.get('large'))?.toString()).toBe('other');
  expect(uploads()).toEqual([]);
});

test('a start removes what belongs to nothing, and keeps what goes on', async () => {
  const id = await bucket.begin('large');
  const etag = await bucket.part('large', id, 1, Buffer.from('first'));
  const files = filesOf(id);
  await bucket.client.send(new CreateBucketCommand({ Bucket: 'gone' }));
  await stop();
  await rm(join(server.dir, 'buckets', 'gone'), { recursive: true });
  const dir = join(server.dir, 'uploads');
  for (const name of [`2-${'0'.repeat(32)}.part`, '.2.json.1.1.tmp']) writeFileSync(join(dir, id, name), 'x');
  mkdirSync(join(dir, 'never-begun'));
  mkdirSync(join(dir, 'of-no-bucket'));
  const info = { bucket: 'gone', key: 'a', headers: {}, algorithm: null, type: 'full', startedMs: now() };
  writeFileSync(join(dir, 'of-no-bucket', 'upload.json'), JSON.stringify(info));
  writeFileSync(join(server.dir, 'temporary', 'half'), 'x');
  await start();
  expect([uploads(), filesOf(id)]).toEqual([[id], files]);
  expect(readdirSync(join(server.dir, 'temporary'))).toEqual([]);
  await bucket.complete('large', id, [etag]);
  expect((await bucket.get('large'))?.toString()).toBe('first');
});

test('an upload that nobody completes within a week is removed when another begins, and by a start', async () => {
  await bucket.begin('old');
  passedMs = WEEK_MS;
  bucket[Symbol.dispose]();
  bucket = new TestBucket(server.bucket, { systemClockOffset: passedMs });
  const id = await bucket.begin('new');
  expect(uploads()).toEqual([id]);
  passedMs = 2 * WEEK_MS;
  await stop();
  await start();
  expect(uploads()).toEqual([]);
});

test('all parts together have the bound of an object', async () => {
  const id = await bucket.begin('large');
  const part = {
    number: 1,
    etag: '0'.repeat(32),
    size: OBJECT_MAX_BYTES - MB,
    modifiedMs: 0,
    checksum: null,
  };
  await stop();
  writeFileSync(join(server.dir, 'uploads', id, '1.json'), JSON.stringify(part));
  await start();
  await bucket.part('large', id, 2, Buffer.alloc(MB));
  expect(await refusalOf(bucket.part('large', id, 3, Buffer.alloc(1)))).toEqual([400, 'EntityTooLarge']);
  expect(readdirSync(join(server.dir, 'temporary'))).toEqual([]);
});

test('a part has the checksum that its upload asked for', async () => {
  const id = await bucket.begin('large', { ChecksumAlgorithm: 'SHA256' });
  const part = bucket.part('large', id, 1, Buffer.from('x'), { ChecksumAlgorithm: 'CRC32' });
  expect(await refusalOf(part)).toEqual([400, 'InvalidRequest']);
  await bucket.part('large', id, 1, Buffer.from('x'), { ChecksumAlgorithm: 'SHA256' });
});

test('a completion may say what the object is to be, and is refused where it is not', async () => {
  const id = await bucket.begin('large', { ChecksumAlgorithm: 'CRC32', ChecksumType: 'FULL_OBJECT' });
  const etag = await bucket.part('large', id, 1, Buffer.from('ab'), { ChecksumAlgorithm: 'CRC32' });
  const complete = (more: object) =>
    bucket.complete('large', id, [etag], { ChecksumType: 'FULL_OBJECT', ...more });
  expect(await refusalOf(complete({ ChecksumCRC32: 'AAAAAA==' }))).toEqual([400, 'BadDigest']);
  expect(await refusalOf(complete({ MpuObjectSize: 3 }))).toEqual([400, 'InvalidRequest']);
  expect(await bucket.get('large')).toBe(null);
  await complete({ ChecksumCRC32: CRC32_OF_AB, MpuObjectSize: 2 });
  expect((await bucket.get('large'))?.toString()).toBe('ab');
});

test('a bucket that is removed and made again while clients write has just the objects that it lists', async () => {
  const Bucket = 'coming';
  const other = new TestBucket({ ...server.bucket, bucket: Bucket });
  let isOver = false;
  const EXPECTED = ['NoSuchBucket', 'BucketNotEmpty', 'NoSuchKey', 'BucketAlreadyOwnedByYou'];
  const trying = async (work: () => Promise<unknown>) => {
    while (!isOver) {
      await work().catch((error: Error) => {
        if (!EXPECTED.includes(error.name)) throw error;
      });
    }
  };
  const work = [
    trying(() => other.client.send(new CreateBucketCommand({ Bucket }))),
    trying(() => other.client.send(new DeleteBucketCommand({ Bucket }))),
    ...['a', 'b', 'c'].flatMap((key) => [trying(() => other.put(key, 'x')), trying(() => other.remove(key))]),
  ];
  await sleep(1500);
  isOver = true;
  await Promise.all(work);
  await other.client.send(new CreateBucketCommand({ Bucket })).catch(() => {});
  await other.put('last', 'x');
  const { KeyCount } = await other.client.send(new ListObjectsV2Command({ Bucket }));
  expect(readdirSync(join(server.dir, 'buckets', Bucket))).toHaveLength(KeyCount ?? 0);
  const { Uploads = [] } = await other.client.send(new ListMultipartUploadsCommand({ Bucket }));
  expect(Uploads).toEqual([]);
  other[Symbol.dispose]();
});

test('a directory has one server', async () => {
  await expect(serveS3(server.dir)).rejects.toMatchObject({ code: 'ERR_LOCKED' });
  await bucket.put('still', 'there');
  await stop();
  await start();
  expect((await bucket.get('still'))?.toString()).toBe('there');
});
