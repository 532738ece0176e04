import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeEach, expect, test } from 'vitest';
import { Disk, whyNoDisk } from '../helpers/disk.ts';
import { serveS3 } from '../helpers/embedded-s3.ts';
import { until } from '../helpers/poll.ts';
import { RawConnection } from '../helpers/raw-http.ts';
import { TestBucket } from '../helpers/s3-client.ts';
import { signedHead } from '../helpers/signed-raw.ts';

const IDLE_MS = 300;
const MB = 1024 * 1024;

const missing = whyNoDisk();
beforeEach(({ skip }) => skip(missing !== null, missing ?? ''));

test.each([
  100,
  8 * MB,
])('a client of a PUT of %i bytes is not cut off for a disk that stands still', async (size) => {
  using disk = Disk.inFile(64 * MB);
  await using server = await serveS3(join(disk.path, 's3'), { idleMs: IDLE_MS });
  using bucket = new TestBucket(server.bucket);
  await bucket.put('object', 'old');
  execFileSync('fsfreeze', ['--freeze', disk.path]);
  let putting: Promise<void>;
  try {
    putting = bucket.put('object', Buffer.alloc(size, 'new'));
    putting.catch(() => {}); // awaited below
    await sleep(5 * IDLE_MS);
  } finally {
    execFileSync('fsfreeze', ['--unfreeze', disk.path]);
  }
  await putting;
  expect((await bucket.get('object'))?.equals(Buffer.alloc(size, 'new'))).toBe(true);
});

test.each([
  ['in the middle of a body', (head: string) => `${head}\r\n\r\nx`],
  ['in the middle of a head', (head: string) => head],
])('a client that falls silent %s is', async (_, sent) => {
  using disk = Disk.small(MB);
  await using server = await serveS3(disk.path, { idleMs: IDLE_MS });
  using connection = await RawConnection.open(server.port);
  const headers = { 'content-length': '2' };
  connection.send(sent(signedHead(server.bucket, { method: 'PUT', url: '/registry/half', headers })));
  expect(await connection.untilClosed()).toBe('');
  await until('its end', () => readdirSync(join(server.dir, 'temporary')).length === 0);
});
