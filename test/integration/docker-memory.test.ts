import { expect, test } from 'vitest';
import { listContainers } from '../../src/docker/containers.ts';
import { StatsMemory } from '../../src/sandbox/docker/stats-memory.ts';
import { silentLog } from '../../src/telemetry/log.ts';
import { makeDockerEngine } from '../helpers/docker-engine.ts';
import { describeWithDocker, TEST_IMAGE } from '../helpers/dockerd.ts';
import { leavesNothing } from '../helpers/leftovers.ts';
import { until } from '../helpers/poll.ts';
import { TestWorker } from '../helpers/worker.ts';

leavesNothing();

const MB = 1024;
const keeps = (mb: number) => `kept = b'x' * (${mb} << 20)\ndef handler(event): return len(kept)\n`;

describeWithDocker('the memory of containers', (dockerd) => {
  test('is what the daemon tells, too, where their cgroup can’t be seen', async () => {
    const { engine, owner, code, dispose } = await makeDockerEngine(dockerd.current);
    try {
      const sandbox = await engine.create(await code('keeps', keeps(40)), null);
      await sandbox.request({ body: Buffer.from('null'), timeoutMs: 60_000, responseMaxBytes: 100 });
      const daemon = await dockerd.current.open();
      const [found] = await listContainers(daemon, owner);
      const memory = new StatsMemory(daemon, found?.id ?? '', silentLog());
      const kb = await until('figure', () => memory.kb() || null);
      const seen = await sandbox.memoryKb();
      expect(seen).toBeGreaterThan(40 * MB);
      expect(Math.abs(kb - seen)).toBeLessThan(5 * MB);
      memory.close();
      expect([memory.kb(), memory.reclaimableKb()]).toEqual([0, 0]);
    } finally {
      await dispose();
    }
  });

  test('bounds the pool: idle ones are ended for a cold start beyond it, the one used longest ago first', async () => {
    await using worker = await TestWorker.start({
      sandbox: 'docker',
      docker_socket: dockerd.current.socket,
      docker_image: TEST_IMAGE,
      mem_pool_mb: 200,
      mem_limit_mb: 64,
    });
    const names = ['a', 'b', 'c', 'd', 'e'];
    for (const name of names) {
      await worker.cluster.writeFunction(name, keeps(40));
      expect(await worker.result(name)).toBe(40 << 20);
    }
    await until('eviction', async () => (await worker.client.sandboxes()).length <= 3);
    const left = (await worker.client.sandboxes()).map((one) => one.function);
    expect(left).toContain('e');
    expect(left).not.toContain('a');
    const { body } = await worker.client.request('/metrics');
    expect(body).toMatch(/^openlambda_sandboxes_ended_total\{reason="evicted"\} [1-9]/m);
  });
});
