import { makeDockerEngine } from '../helpers/docker-engine.ts';
import { describeWithDocker } from '../helpers/dockerd.ts';
import { leavesNothing } from '../helpers/leftovers.ts';
import { describeSandboxContract } from './sandbox.contract.ts';

leavesNothing();

describeWithDocker('with a Docker daemon', (dockerd) => {
  describeSandboxContract('docker', () => makeDockerEngine(dockerd.current));
});
