import { existsSync, readdirSync, statfsSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Disk } from '../helpers/disk.ts';
import { type EmbeddedS3, serveS3 } from '../helpers/embedded-s3.ts';
import { refusalOf, TestBucket } from '../helpers/s3-client.ts';

const MB = 1024 * 1024;
const SIZE = 24 * MB;
const NO_ROOM = [503, 'ServiceUnavailable'];
const bytes = (megabytes: number, text: string) => Buffer.alloc(megabytes * MB, text);

let disk: Disk;
let server: EmbeddedS3;
let bucket: TestBucket;
beforeEach(async () => {
  disk = Disk.small(SIZE);
  server = await serveS3(join(disk.path, 's3'));
  bucket = new TestBucket(server.bucket);
});
afterEach(async () => {
  bucket[Symbol.dispose]();
  await server[Symbol.asyncDispose]();
  disk[Symbol.dispose]();
});

const filesIn = (name: string) => readdirSync(join(server.dir, name), { recursive: true });
const freeBytes = () => {
  const { bavail, bsize } = statfsSync(disk.path);
  return bavail * bsize;
};
/** Leaves no byte free; returns what undoes it. */
function fill(): () => void {
  const path = join(disk.path, 'filler');
  while (freeBytes() > 0) {
    try {
      writeFileSync(path, Buffer.alloc(freeBytes()), { flag: 'a' });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    }
  }
  return () => existsSync(path) && unlinkSync(path);
}

test('a PUT for which there is no room is refused, what was there stays whole, and nothing is left', async () => {
  await bucket.put('object', bytes(10, 'old'));
  const before = freeBytes();
  expect(await refusalOf(bucket.put('object', bytes(16, 'new')))).toEqual(NO_ROOM);
  expect(await refusalOf(bucket.put('another', bytes(16, 'new')))).toEqual(NO_ROOM);
  expect((await bucket.get('object'))?.equals(bytes(10, 'old'))).toBe(true);
  expect(await bucket.get('another')).toBe(null);
  expect(filesIn('temporary')).toEqual([]);
  expect(freeBytes()).toBe(before);
  await bucket.put('object', bytes(12, 'new'));
  expect((await bucket.get('object'))?.equals(bytes(12, 'new'))).toBe(true);
});

test('a disk that is quite full still gives, and takes a DELETE, after which there is room again', async () => {
  await bucket.put('object', bytes(10, 'old'));
  const undo = fill();
  expect(await refusalOf(bucket.put('small', 'x'))).toEqual(NO_ROOM);
  expect((await bucket.get('object'))?.equals(bytes(10, 'old'))).toBe(true);
  await bucket.remove('object');
  await bucket.put('small', 'x');
  expect((await bucket.get('small'))?.toString()).toBe('x');
  undo();
});

test('an upload that cannot begin, or take a part, leaves nothing but what it had', async () => {
  const id = await bucket.begin('large');
  const etag = await bucket.part('large', id, 1, bytes(5, 'first'));
  const undo = fill();
  const before = filesIn('uploads');
  expect(await refusalOf(bucket.begin('other'))).toEqual(NO_ROOM);
  expect(await refusalOf(bucket.part('large', id, 1, bytes(5, 'other')))).toEqual(NO_ROOM);
  expect(await refusalOf(bucket.part('large', id, 2, bytes(5, 'second')))).toEqual(NO_ROOM);
  expect([filesIn('uploads'), filesIn('temporary')]).toEqual([before, []]);
  undo();
  const second = await bucket.part('large', id, 2, bytes(1, 'second'));
  await bucket.complete('large', id, [etag, second]);
  expect((await bucket.get('large'))?.equals(Buffer.concat([bytes(5, 'first'), bytes(1, 'second')]))).toBe(
    true,
  );
  expect(filesIn('uploads')).toEqual([]);
});

test('a part whose description finds no room does not count, and does not stay', async () => {
  const id = await bucket.begin('large');
  // Room for the part, with its end, and for nothing behind it.
  const path = join(disk.path, 'filler');
  const { bsize } = statfsSync(disk.path);
  writeFileSync(path, Buffer.alloc(freeBytes() - MB - bsize));
  const before = filesIn('uploads');
  expect(await refusalOf(bucket.part('large', id, 1, bytes(1, 'first')))).toEqual(NO_ROOM);
  expect([filesIn('uploads'), filesIn('temporary')]).toEqual([before, []]);
});

test('a completion for which there is no room can be asked for again', async () => {
  await bucket.put('large', bytes(6, 'old'));
  const id = await bucket.begin('large');
  const data = [bytes(5, 'first'), bytes(5, 'second')];
  const etags = [
    await bucket.part('large', id, 1, data[0] as Buffer),
    await bucket.part('large', id, 2, data[1] as Buffer),
  ];
  expect(await refusalOf(bucket.complete('large', id, etags))).toEqual(NO_ROOM);
  expect((await bucket.get('large'))?.equals(bytes(6, 'old'))).toBe(true);
  expect(filesIn('temporary')).toEqual([]);
  await bucket.remove('large');
  await bucket.complete('large', id, etags);
  expect((await bucket.get('large'))?.equals(Buffer.concat(data))).toBe(true);
});
