import { expect, test } from 'vitest';
import { requestOf } from '../contract/sandbox.contract.ts';
import { makeDockerEngine } from '../helpers/docker-engine.ts';
import { describeWithDocker, TestDockerd } from '../helpers/dockerd.ts';
import { leavesNothing } from '../helpers/leftovers.ts';

leavesNothing();

const ECHO = 'def handler(event): return event\n';

describeWithDocker('a Docker daemon that goes away', () => {
  test('ends its containers, of which the engine is told, and what comes then is refused', async () => {
    const dockerd = await TestDockerd.start();
    const fixture = await makeDockerEngine(dockerd);
    try {
      const code = await fixture.code('echo', ECHO);
      const sandbox = await fixture.engine.create(code, null);
      expect((await sandbox.request(requestOf(1))).body.toString()).toBe('1');
      await dockerd[Symbol.asyncDispose]();
      await sandbox.dead;
      await expect(sandbox.request(requestOf(2))).rejects.toMatchObject({
        code: expect.stringMatching(/^ERR_SANDBOX_(GONE|DIED)$/),
      });
      await expect(fixture.engine.create(code, null)).rejects.toMatchObject({
        code: 'ERR_SANDBOX_START',
        fields: { reason: expect.stringMatching(/no Docker daemon answers/) },
      });
    } finally {
      await fixture.dispose();
    }
  });
});
