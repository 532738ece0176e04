import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { createRemoteRegistry, type RemoteRegistry } from '../../../../src/registry/remote/remote.ts';
import { silentLog } from '../../../../src/telemetry/log.ts';
import { type OddBucket, startOddBucket } from '../../../helpers/odd-bucket.ts';

export const CHECK_MS = 1000;

export interface Setup {
  readonly bucket: OddBucket;
  readonly root: string;
  /** A registry of the bucket; closed with the test. */
  open(options?: { readonly timeoutMs?: number; readonly cacheMaxBytes?: number }): Promise<RemoteRegistry>;
  /** Moves the clock of the registries. */
  pass(ms: number): void;
}

/** A bucket, and a directory for the registries of it. */
export async function setUp(): Promise<Setup> {
  const root = await mkdtemp(join(tmpdir(), 'ol-remote-'));
  const bucket = await startOddBucket();
  let passedMs = 0;
  onTestFinished(async () => {
    await bucket.close();
    await rm(root, { recursive: true });
  });
  const open = async ({ timeoutMs = 10_000, cacheMaxBytes = 2 ** 30 } = {}) => {
    const registry = await createRemoteRegistry({
      bucket: {
        server: bucket.url,
        bucket: 'registry',
        region: 'r',
        accessKey: 'key',
        secretKey: 'TOP-secret',
      },
      codeDir: join(root, 'code'),
      pulledFile: join(root, 'pulled.json'),
      cacheMaxBytes,
      checkMs: CHECK_MS,
      timeoutMs,
      log: silentLog(),
      now: () => performance.now() + passedMs,
    });
    onTestFinished(() => registry.close());
    return registry;
  };
  const pass = (ms: number) => {
    passedMs += ms;
  };
  return { bucket, root, open, pass };
}

/** What `lambda_func.py` of the pulled version holds. */
export async function pulled(registry: RemoteRegistry, name: string): Promise<string> {
  return await readFile(join((await registry.pull(name)).dir, 'lambda_func.py'), 'utf8');
}
