import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ListObjectsV2Command } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TestCluster } from '../helpers/cluster.ts';
import { SLOWNESS, until } from '../helpers/poll.ts';
import { RawConnection } from '../helpers/raw-http.ts';
import { RegistryProcess } from '../helpers/registry-process.ts';
import { TestBucket } from '../helpers/s3-client.ts';
import { checkKnown, Writer } from '../helpers/s3-writers.ts';
import { signHeaders } from '../helpers/sigv4.ts';

const MB = 1024 * 1024;
const ROUNDS = 6;

let cluster: TestCluster;
beforeAll(async () => {
  cluster = await TestCluster.create();
});
afterAll(() => cluster[Symbol.asyncDispose]());

/** A registry that is killed at the end, and what asks it. */
async function withRegistry<T>(
  work: (bucket: TestBucket, registry: RegistryProcess) => Promise<T>,
): Promise<T> {
  await using registry = await RegistryProcess.start(cluster);
  using bucket = new TestBucket(registry.bucket);
  return await work(bucket, registry);
}

/** Files that no description names, in an upload's directory. */
function strays(dir: string): string[] {
  const names = readdirSync(dir);
  const described = names
    .filter((name) => /^\d+\.json$/.test(name))
    .flatMap((name) => {
      const { number, etag } = JSON.parse(readFileSync(join(dir, name), 'utf8'));
      return [name, `${number}-${etag}.part`];
    });
  return names.filter((name) => name !== 'upload.json' && !described.includes(name));
}

/** Nothing is on the disk but objects that are listed, and uploads that go on. */
async function checkDisk(
  bucket: TestBucket,
  { dir }: RegistryProcess,
  keys: readonly string[],
): Promise<void> {
  const { Contents = [] } = await bucket.client.send(new ListObjectsV2Command({ Bucket: 'registry' }));
  expect(Contents.map(({ Key }) => Key)).toEqual(keys);
  expect(readdirSync(join(dir, 'buckets', 'registry'))).toHaveLength(keys.length);
  expect(readdirSync(join(dir, 'temporary'))).toEqual([]);
  for (const id of readdirSync(join(dir, 'uploads'))) expect(strays(join(dir, 'uploads', id))).toEqual([]);
}

test('killed at any moment while clients write, it has whole objects, old ones or new ones, and nothing else', async () => {
  const known = new Map();
  for (let round = 0; round < ROUNDS; round++) {
    await withRegistry(async (bucket, registry) => {
      await checkDisk(bucket, registry, await checkKnown(bucket, known));
      const writer = new Writer(bucket, known);
      const writing = [writer.small('a'), writer.small('b'), writer.small('c'), writer.large('large')];
      await sleep((50 + Math.random() * 400) * SLOWNESS);
      await registry.kill();
      await Promise.all(writing);
    });
  }
  await withRegistry(async (bucket, registry) => {
    const keys = await checkKnown(bucket, known);
    await checkDisk(bucket, registry, keys);
    expect(keys.length).toBeGreaterThan(2);
  });
});

test.each([
  ['a PUT', () => ''],
  ['a part', (id: string) => `?partNumber=1&uploadId=${id}`],
])('killed in the middle of %s, it starts with what was there, and without the half', async (_, queryOf) => {
  const old = Buffer.alloc(MB, 'old');
  await withRegistry(async (bucket, registry) => {
    await bucket.put('half', old);
    const url = `/registry/half${queryOf(await bucket.begin('half'))}`;
    const { host, port } = new URL(registry.bucket.server);
    const time = new Date().toISOString().replaceAll(/[-:]|\.\d+/g, '');
    const extra = { host, 'content-length': String(2 * MB), 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' };
    const headers = signHeaders({ method: 'PUT', url, headers: extra }, registry.bucket, { time });
    using connection = await RawConnection.open(Number(port), 'localhost');
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
    connection.sendHead([`PUT ${url} HTTP/1.1`, ...lines].join('\n'));
    connection.send(Buffer.alloc(MB, 'new'));
    await until('half of it', () => readdirSync(join(registry.dir, 'temporary')).length === 1);
    await registry.kill();
    expect(readdirSync(join(registry.dir, 'temporary'))).toHaveLength(1);
  });
  await withRegistry(async (bucket, registry) => {
    expect((await bucket.get('half'))?.equals(old)).toBe(true);
    expect(readdirSync(join(registry.dir, 'temporary'))).toEqual([]);
  });
});

test('an upload goes on after a kill with the parts that were acknowledged', async () => {
  const parts = [Buffer.alloc(5 * MB, 'first'), Buffer.alloc(100, 'second')] as const;
  const { id, etag } = await withRegistry(async (bucket) => {
    const begun = await bucket.begin('large');
    return { id: begun, etag: await bucket.part('large', begun, 1, parts[0]) };
  });
  await withRegistry(async (bucket) => {
    const second = await bucket.part('large', id, 2, parts[1]);
    await bucket.complete('large', id, [etag, second]);
    expect((await bucket.get('large'))?.equals(Buffer.concat(parts))).toBe(true);
  });
});
