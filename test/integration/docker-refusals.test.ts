import { expect, test } from 'vitest';
import type { ConfigFile } from '../../src/config/schema.ts';
import { claimsOf } from '../helpers/background.ts';
import { TestCluster } from '../helpers/cluster.ts';
import { describeWithDocker, TEST_IMAGE } from '../helpers/dockerd.ts';
import { leavesNothing } from '../helpers/leftovers.ts';
import { TestIndex } from '../helpers/package-index.ts';
import { until } from '../helpers/poll.ts';
import { TestWorker } from '../helpers/worker.ts';

leavesNothing();

/** What a start that fails says; it leaves no claim. */
async function refusal(settings: ConfigFile): Promise<{ code: string; message: string }> {
  await using cluster = await TestCluster.create();
  const error = await TestWorker.start({ sandbox: 'docker', ...settings }, cluster).then(
    async (worker) => {
      await worker.running.close();
      throw new Error('it started');
    },
    (thrown) => thrown,
  );
  expect(await claimsOf(cluster)).toEqual({ live: [], stale: [] });
  return error;
}

test('a worker with docker and no daemon does not start, and says what to do', async () => {
  expect(await refusal({ docker_socket: '/nonexistent/docker.sock' })).toMatchObject({
    code: 'ERR_DOCKER_UNREACHABLE',
    message: expect.stringMatching(/\/nonexistent\/docker\.sock \(ENOENT\): start it, or name its socket/),
  });
});

test('a tree of zygotes is for sock, and refused with docker', async () => {
  expect(await refusal({ import_cache_tree: '/some/tree.json' })).toMatchObject({
    code: 'ERR_CONFIG_INVALID',
    message: expect.stringMatching(/import_cache_tree is for `"sandbox": "sock"`/),
  });
});

describeWithDocker('a worker with docker', (dockerd) => {
  const start = (settings: ConfigFile) => refusal({ docker_socket: dockerd.current.socket, ...settings });

  test('does not start without its image, and says how to get it', async () => {
    expect(await start({ docker_image: 'no/such' })).toMatchObject({
      code: 'ERR_DOCKER_IMAGE',
      message: expect.stringMatching(/image no\/such.*admin image build.*docker pull no\/such.*docker_image/),
    });
  });

  test.each([
    ['has no Python', `FROM scratch\nCOPY note /note\n`, /python3/],
    ['declares a volume', `FROM ${TEST_IMAGE}\nVOLUME /data\n`, /volume \/data/],
    [
      'has a Python that fails',
      `FROM ${TEST_IMAGE}\nCOPY note /usr/lib/python3.11/os.py\nCOPY note /usr/bin/python3\n`,
      /./,
    ],
  ])('does not start with an image that %s', async (what, dockerfile, said) => {
    const image = `openlambda/${what.replaceAll(' ', '-').toLowerCase()}`;
    await dockerd.current.build(image, { Dockerfile: dockerfile, note: 'no program\n' });
    const error = await start({ docker_image: image });
    expect(error.code).toMatch(/^ERR_DOCKER(_IMAGE)?$/);
    expect(error.message).toMatch(said);
    expect(await (await dockerd.current.open()).docker.listContainers({ all: true })).toEqual([]);
  });

  test('starts with a size of the import cache and startup_pkgs, and says what it makes of them', async () => {
    const settings = {
      sandbox: 'docker',
      docker_image: TEST_IMAGE,
      docker_socket: dockerd.current.socket,
    } as const;
    await using index = await TestIndex.start();
    index.add({ name: 'started', version: '1.0', files: { 'started.py': '' } });
    const asked = { pip_mirror: index.url, import_cache_size: 1024, startup_pkgs: ['started'] };
    await using worker = await TestWorker.start({ ...settings, ...asked });
    const said = (msg: RegExp) => expect.objectContaining({ msg: expect.stringMatching(msg) });
    expect(worker.log).toContainEqual(said(/import_cache_size is not used/));
    expect(worker.log).toContainEqual(said(/startup_pkgs are installed, and not kept imported/));
    await until('package', () => worker.log.find(({ msg }) => msg === 'packages installed') ?? null);
    const { body } = await worker.client.request('/metrics');
    expect(body).not.toMatch(/^openlambda_zygotes [1-9]/m);
  });
});
