import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { listContainers } from '../../src/docker/containers.ts';
import { describeWithDocker, TEST_IMAGE, type TestDockerd } from '../helpers/dockerd.ts';
import { expectError } from '../helpers/errors.ts';
import { leavesNothing } from '../helpers/leftovers.ts';
import { attempt, look } from '../helpers/look.ts';
import { TestIndex } from '../helpers/package-index.ts';
import { until } from '../helpers/poll.ts';
import { python } from '../helpers/python.ts';
import { TestWorker } from '../helpers/worker.ts';

leavesNothing();

describeWithDocker('a worker with docker', (dockerd) => {
  let worker: TestWorker;
  let index: TestIndex;

  beforeAll(async () => {
    index = await TestIndex.start();
    worker = await TestWorker.start({
      ...settingsFor(dockerd.current),
      pip_mirror: index.url,
      mem_limit_mb: 48,
      procs_max: 16,
      open_files_max: 32,
      file_max_mb: 1,
      scratch_max_mb: 8,
      tmp_max_mb: 4,
      pause_delay_ms: 10,
      sandbox_config: { limit: 3, name: 'ä' },
    });
    for (const name of ['echo', 'look', 'attempt']) await worker.cluster.addFixture(name);
  });
  afterAll(async () => {
    await worker[Symbol.asyncDispose]();
    await index[Symbol.asyncDispose]();
  });

  const containers = async () =>
    await listContainers(await dockerd.current.open(), { cluster: worker.cluster.paths.root });

  test('a function is called, and its container carries the labels of cluster and worker', async () => {
    expect(await worker.result('echo', { a: 1 })).toEqual({ a: 1 });
    const { id } = await worker.sandbox('echo');
    const found = (await containers()).filter(({ sandbox }) => sandbox === id);
    expect(found).toMatchObject([{ worker: worker.config.workerDir, image: TEST_IMAGE }]);
  });

  test('inside there is no power, no network but the loopback, and a user of its own', async () => {
    const seen = await look(worker, ['status', 'ids', 'groups', 'interfaces', 'hostname', 'environment']);
    const none = '0'.repeat(16);
    expect(seen.status).toMatchObject({ NoNewPrivs: '1', Seccomp: '2' });
    for (const key of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'])
      expect({ [key]: seen.status[key] }).toEqual({ [key]: none });
    expect(new Set(seen.ids).size).toBe(1);
    expect(seen.ids[0]).toBeGreaterThanOrEqual(0x70000000);
    expect(seen.interfaces).toEqual(['lo']);
    expect(seen.hostname).toBe('sandbox');
    expect(JSON.parse(seen.environment['ol.config'] ?? '')).toEqual({ limit: 3, name: 'ä' });
  });

  test('its own namespaces are not those of the machine', async () => {
    const { namespaces } = await look(worker, ['namespaces']);
    for (const name of ['pid', 'mnt', 'ipc', 'uts', 'net'])
      expect(namespaces[name]).not.toBe(readlinkSync(`/proc/self/ns/${name}`));
  });

  test('the root, the code, the packages and the runtime can be read, and only /host and /tmp written', async () => {
    for (const path of ['/file', '/etc/file', '/handler/file', '/packages/file', '/runtime/file'])
      expect([path, await attempt(worker, 'write', { path })]).toEqual([path, 'EROFS']);
    const { mounts } = await look(worker, ['mounts']);
    for (const path of ['/', '/handler', '/packages', '/runtime'])
      expect([path, mounts[path]?.options]).toEqual([path, expect.arrayContaining(['ro'])]);
    for (const path of ['/host/file', '/tmp/file'])
      expect([path, await attempt(worker, 'write', { path })]).toEqual([path, 'written']);
  });

  test('a function that uses up its memory is 502 and says so, and the next call is fine', async () => {
    await worker.cluster.writeFunction('hungry', 'def handler(mb): return len(b"x" * (mb * 1024 * 1024))\n');
    expect(await worker.result('hungry', 1)).toBe(1024 * 1024);
    const answer = await worker.call('hungry', 500);
    expectError(answer, 'ERR_OUT_OF_MEMORY', /'hungry' was ended.*used more than 48 MB.*mem_limit_mb/);
    expect(await worker.result('hungry', 2)).toBe(2 * 1024 * 1024);
  });

  test('a fork bomb gets no further than its bound', async () => {
    await worker.cluster.addFixture('forks');
    expect(await worker.result('forks')).toBe(15);
  });

  test('one that asks on and on is ended for it, and the next call is fine', async () => {
    await worker.cluster.writeFunction(
      'bomb',
      python`
        import os
        def handler(event):
            while event == 'bomb':
                try: os.fork()
                except OSError: pass
            return event
      `,
    );
    expectError(await worker.call('bomb', 'bomb'), 'ERR_TOO_MANY_PROCESSES', /16 of them.*procs_max/);
    expect(await worker.result('bomb', 1)).toBe(1);
  });

  test('open files, the size of a file, and /tmp have bounds', async () => {
    await worker.cluster.writeFunction(
      'files',
      python`
        import errno
        def fill(path):
            with open(path, 'wb', buffering=0) as file:
                while True:
                    file.write(b'x' * 65536)
        def fill_tmp():
            for number in range(100):
                with open('/tmp/%d' % number, 'wb', buffering=0) as file:
                    for _ in range(8):
                        file.write(b'x' * 65536)
        def opened():
            return [open('/dev/null') for _ in range(100)]
        def met(action, *words):
            try:
                action(*words)
            except OSError as error:
                return errno.errorcode[error.errno]
        def handler(event):
            return [met(opened), met(fill, '/host/large'), met(fill_tmp)]
      `,
    );
    expect(await worker.result('files')).toEqual(['EMFILE', 'EFBIG', 'ENOSPC']);
  });

  test('scratch space has a bound', async () => {
    await worker.cluster.writeFunction(
      'scratch',
      python`
        import time
        def handler(event):
            for number in range(40):
                with open('/host/%d' % number, 'wb') as file:
                    file.write(b'x' * (1024 * 1000))
            time.sleep(20)
      `,
    );
    expectError(await worker.call('scratch'), 'ERR_SCRATCH_FULL', /more than 8 MB.*scratch_max_mb/);
  });

  test('what is printed is in scratch space', async () => {
    await worker.cluster.writeFunction('prints', 'def handler(event): print("seen", event)\n');
    await worker.result('prints', 7);
    const { id } = await worker.sandbox('prints');
    expect(readFileSync(`${worker.scratch(id)}/stdout`, 'utf8')).toBe('seen 7\n');
  });

  test('a sandbox that is idle is paused, and serves again when it is called', async () => {
    await worker.cluster.addFixture('echo', 'paused');
    for (const event of [1, 2]) {
      expect(await worker.result('paused', event)).toBe(event);
      const { id } = await worker.sandbox('paused');
      await until('pause', async () =>
        (await containers()).some(({ sandbox, state }) => sandbox === id && state === 'paused'),
      );
    }
  });

  test('packages are installed, and imported', async () => {
    index.add({ name: 'lower', version: '2.0', files: { 'lower.py': 'VALUE = 2\n' } });
    await worker.cluster.writeFunction('packaged', {
      'packages.txt': 'lower\n',
      'lambda_func.py': 'import lower\ndef handler(event): return [lower.VALUE, lower.__file__]\n',
    });
    const [value, file] = await worker.result<[number, string]>('packaged');
    expect(value).toBe(2);
    expect(file).toMatch(/^\/packages\/lower-2\.0-[0-9a-f]{16}\/lower\.py$/);
    expect(readdirSync(worker.cluster.paths.packages).some((name) => name.startsWith('lower-2.0'))).toBe(
      true,
    );
  });

  test('edited code is what the next call runs', async () => {
    await worker.cluster.writeFunction('edited', 'def handler(event): return 1\n');
    expect(await worker.result('edited')).toBe(1);
    await worker.cluster.writeFunction('edited', 'def handler(event): return 2\n');
    expect(await worker.result('edited')).toBe(2);
  });

  test('GET /sandboxes tells of containers, with a pid of the machine and what the kernel counts', async () => {
    await worker.result('echo', 1);
    const found = await worker.sandbox('echo');
    expect(found).toMatchObject({ engine: 'docker', pid: expect.any(Number) });
    expect(existsSync(`/proc/${found.pid}`)).toBe(true);
    expect(found.memoryKb).toBeGreaterThan(1000);
  });

  test('the end of the worker is that of its containers', async () => {
    await using second = await TestWorker.start(settingsFor(dockerd.current));
    await second.cluster.addFixture('echo');
    expect(await second.result('echo', 1)).toBe(1);
    const owner = { cluster: second.cluster.paths.root };
    const daemon = await dockerd.current.open();
    expect(await listContainers(daemon, owner)).toHaveLength(1);
    await second.running.close();
    expect(await listContainers(daemon, owner)).toEqual([]);
  });
});

function settingsFor({ socket }: TestDockerd) {
  return { sandbox: 'docker', docker_image: TEST_IMAGE, docker_socket: socket } as const;
}
