import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { BucketConfig } from '../../src/config/load.ts';
import { type S3ServerOptions, startS3Server } from '../../src/s3/server.ts';
import { silentLog } from '../../src/telemetry/log.ts';
import { makeTestDir, removeEmptyRoot } from './test-root.ts';

/** Our own S3 server in this process, with one bucket. */
export interface EmbeddedS3 extends AsyncDisposable {
  readonly bucket: BucketConfig;
  readonly port: number;
  /** Where it keeps everything. */
  readonly dir: string;
}

/** On a directory that stays. */
export async function serveS3(dir: string, more: Partial<S3ServerOptions> = {}): Promise<EmbeddedS3> {
  const keys = { accessKey: 'embedded-access', secretKey: 'embedded-secret' };
  const options = { ...keys, dir, host: '127.0.0.1', port: 0, buckets: ['registry'], log: silentLog() };
  const server = await startS3Server({ ...options, ...more });
  return {
    dir,
    port: server.port,
    bucket: { ...keys, server: `http://127.0.0.1:${server.port}`, bucket: 'registry', region: 'us-east-1' },
    [Symbol.asyncDispose]: () => server.close(),
  };
}

/** On a directory that goes with it, and so does the one above, in which there is nothing else. */
export async function startEmbeddedS3(): Promise<EmbeddedS3> {
  const parent = await makeTestDir();
  const server = await serveS3(join(parent, 's3'));
  return {
    ...server,
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await rm(parent, { recursive: true });
      await removeEmptyRoot();
    },
  };
}
