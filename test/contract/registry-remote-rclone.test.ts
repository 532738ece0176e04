import { describe, test } from 'vitest';
import { startRclone } from '../helpers/rclone.ts';
import { whyNoTestTools } from '../helpers/test-tools.ts';
import { describeRegistryContract } from './registry.contract.ts';
import { makeRemote } from './registry-remote.contract.ts';

const reason = whyNoTestTools();

if (reason === null) {
  describeRegistryContract('remote (rclone)', async () => {
    const server = await startRclone();
    return await makeRemote(server.bucket, async () => await server[Symbol.asyncDispose]());
  });
} else {
  describe('the remote (rclone) registry', () => test('keeps its contract', ({ skip }) => skip(reason)));
}
