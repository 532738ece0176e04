import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';
import { removeContainers } from '../../src/docker/containers.ts';
import { requestOf } from '../contract/sandbox.contract.ts';
import { makeDockerEngine } from '../helpers/docker-engine.ts';
import { describeWithDocker, TestDockerd } from '../helpers/dockerd.ts';
import { leavesNothing } from '../helpers/leftovers.ts';
import { isStillThere, readProcess } from '../helpers/processes.ts';
import { python } from '../helpers/python.ts';

leavesNothing();

const ECHO = 'def handler(event): return event\n';

/** Goes on writing, whatever becomes of its connection. */
const WRITER = python`
  import threading, time
  def write():
      while True:
          open('/host/file', 'w').write('x')
          time.sleep(0.01)
  threading.Thread(target=write).start()
  def handler(event): return event
`;

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

  test('when it crashes, its containers are ended without it, paused ones too, and others are made when it is back', async () => {
    const dockerd = await TestDockerd.start();
    const fixture = await makeDockerEngine(dockerd);
    try {
      const code = await fixture.code('writer', WRITER);
      const all = await Promise.all([1, 2].map(() => fixture.engine.create(code, null)));
      for (const sandbox of all) await sandbox.request(requestOf(1));
      await all[0]?.pause();
      const processes = all.map((sandbox) => readProcess(sandbox.pid() ?? 0));
      await dockerd.crash();
      await Promise.all(all.map(({ dead }) => dead));
      for (const one of processes) expect(one !== null && isStillThere(one)).toBe(false);
      for (const { id } of all) expect(existsSync(fixture.scratch(id))).toBe(false);
      await expect(fixture.engine.create(code, null)).rejects.toMatchObject({ code: 'ERR_SANDBOX_START' });
      await dockerd.restart();
      const next = await fixture.engine.create(code, null);
      expect((await next.request(requestOf(2))).body.toString()).toBe('2');
      // Their names stay in its books, and go with the next start or `admin kill`.
      expect(await removeContainers(await dockerd.open(), fixture.owner)).toBe(all.length + 1);
      await next.dead;
    } finally {
      await fixture.dispose();
      await dockerd[Symbol.asyncDispose]();
    }
  });
});
