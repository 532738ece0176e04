import { describe, test } from 'vitest';
import { startRclone } from '../helpers/rclone.ts';
import { whyNoTestTools } from '../helpers/test-tools.ts';
import { describeS3Contract, type S3Fixture } from './s3.contract.ts';

async function makeRclone(): Promise<S3Fixture> {
  const server = await startRclone();
  return { bucket: server.bucket, dispose: async () => await server[Symbol.asyncDispose]() };
}

const reason = whyNoTestTools();
if (reason === null) describeS3Contract('rclone', makeRclone, { isStrict: false });
else describe('S3 server: rclone', () => test('keeps the contract', ({ skip }) => skip(reason)));
