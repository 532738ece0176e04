import { startEmbeddedS3 } from '../helpers/embedded-s3.ts';
import { describeRegistryContract } from './registry.contract.ts';
import { makeRemote } from './registry-remote.contract.ts';

describeRegistryContract('remote (embedded)', async () => {
  const server = await startEmbeddedS3();
  return await makeRemote(server.bucket, async () => await server[Symbol.asyncDispose]());
});
