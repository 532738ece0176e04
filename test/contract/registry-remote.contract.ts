import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DeleteObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import type { BucketConfig } from '../../src/config/load.ts';
import { createRemoteRegistry } from '../../src/registry/remote/remote.ts';
import { silentLog } from '../../src/telemetry/log.ts';
import { bundleOf } from '../helpers/bundle.ts';
import { connectTo } from '../helpers/s3-client.ts';
import type { RegistryFixture } from './registry.contract.ts';

const CHECK_MS = 60_000;

/** A remote registry of a bucket. Its clock is moved on with each write, as if the user had waited. */
export async function makeRemote(
  config: BucketConfig,
  disposeServer: () => Promise<void>,
): Promise<RegistryFixture> {
  const root = await mkdtemp(join(tmpdir(), 'ol-registry-contract-'));
  let passedMs = 0;
  const registry = await createRemoteRegistry({
    bucket: config,
    codeDir: join(root, 'code'),
    pulledFile: join(root, 'pulled.json'),
    cacheMaxBytes: 2 ** 30,
    checkMs: CHECK_MS,
    timeoutMs: 10_000,
    log: silentLog(),
    now: () => performance.now() + passedMs,
  });
  const client = connectTo(config);
  const Bucket = config.bucket;
  return {
    registry,
    withoutHandlerFile: 'ERR_BUNDLE_REFUSED',
    async write(name, files) {
      await client.send(new PutObjectCommand({ Bucket, Key: name, Body: bundleOf(files) }));
      passedMs += 2 * CHECK_MS;
    },
    async remove(name) {
      await client.send(new DeleteObjectCommand({ Bucket, Key: name }));
      passedMs += 2 * CHECK_MS;
    },
    async dispose() {
      await registry.close();
      client.destroy();
      await disposeServer();
      await rm(root, { recursive: true });
    },
  };
}
