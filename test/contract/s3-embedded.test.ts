import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { startS3Server } from '../../src/s3/server.ts';
import { silentLog } from '../../src/telemetry/log.ts';
import { describeS3Contract, type S3Fixture } from './s3.contract.ts';

async function makeEmbedded(): Promise<S3Fixture> {
  const dir = await mkdtemp(join(tmpdir(), 'ol-s3-contract-'));
  const keys = { accessKey: 'test-key', secretKey: 'test-secret' };
  const server = await startS3Server({
    ...keys,
    dir,
    host: '127.0.0.1',
    port: 0,
    log: silentLog(),
    buckets: ['registry'],
  });
  return {
    ...keys,
    url: `http://127.0.0.1:${server.port}`,
    bucket: 'registry',
    async dispose() {
      await server.close();
      expect(await readdir(join(dir, 'temporary'))).toEqual([]);
      expect(await readdir(join(dir, 'uploads'))).toEqual([]);
      await rm(dir, { recursive: true });
    },
  };
}

describeS3Contract('embedded', makeEmbedded, { isStrict: true });
