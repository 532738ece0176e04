import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { startEmbeddedS3 } from '../helpers/embedded-s3.ts';
import { describeS3Contract, type S3Fixture } from './s3.contract.ts';

async function makeEmbedded(): Promise<S3Fixture> {
  const server = await startEmbeddedS3();
  return {
    bucket: server.bucket,
    async dispose() {
      for (const name of ['temporary', 'uploads']) expect(await readdir(join(server.dir, name))).toEqual([]);
      await server[Symbol.asyncDispose]();
    },
  };
}

describeS3Contract('embedded', makeEmbedded, { isStrict: true });
