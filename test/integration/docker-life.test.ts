import { existsSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Daemon } from '../../src/docker/client.ts';
import { listContainers } from '../../src/docker/containers.ts';
import { BackgroundWorkers, claimsOf } from '../helpers/background.ts';
import { TestCluster } from '../helpers/cluster.ts';
import { describeWithDocker, TEST_IMAGE } from '../helpers/dockerd.ts';
import { leavesNothing } from '../helpers/leftovers.ts';
import { until } from '../helpers/poll.ts';
import { CLI, run } from './run-admin.ts';

leavesNothing();

describeWithDocker('what outlives a worker with docker', (dockerd) => {
  let cluster: TestCluster;
  let daemon: Daemon;
  beforeEach(async () => {
    daemon = await dockerd.current.open();
    cluster = await clusterWithEcho();
  });
  afterEach(async () => {
    await cluster[Symbol.asyncDispose]();
    expect(await allContainers()).toEqual([]);
  });

  async function clusterWithEcho(): Promise<TestCluster> {
    const made = await TestCluster.create();
    await made.configure({
      sandbox: 'docker',
      docker_image: TEST_IMAGE,
      docker_socket: dockerd.current.socket,
    });
    await made.addFixture('echo');
    return made;
  }

  /** A container with nobody's labels, which runs for as long as it is held. */
  async function foreign(labels: Record<string, string> = {}) {
    const made = await daemon.docker.createContainer({
      Image: TEST_IMAGE,
      Entrypoint: ['python3', '-c', 'import time; time.sleep(1000)'],
      Labels: labels,
      HostConfig: { NetworkMode: 'none' },
    });
    await made.start();
    return {
      isRunning: async () => (await made.inspect()).State.Running,
      [Symbol.asyncDispose]: async () => await made.remove({ force: true }),
    };
  }

  const owned = () => listContainers(daemon, { cluster: cluster.paths.root });
  const allContainers = () => daemon.docker.listContainers({ all: true });

  test('after a kill -9 a container that idles ends by itself, and the next start removes it, and no other', async () => {
    await using other = await foreign();
    await using lookalike = await foreign({ 'org.openlambda.cluster': `${cluster.paths.root}-2` });
    await using workers = await BackgroundWorkers.start(cluster);
    await workers.first.client.invoke('echo', 1);
    const before = await owned();
    expect(before).toHaveLength(1);
    workers.first.kill('SIGKILL');
    await until('end of the worker', async () => (await claimsOf(cluster)).live.length === 0);
    await using next = await BackgroundWorkers.start(cluster);
    expect(await owned()).toEqual([]);
    expect(await next.first.client.invoke('echo', 2)).toMatchObject({ status: 200, body: '2' });
    expect(await owned()).toHaveLength(1);
    expect([await other.isRunning(), await lookalike.isRunning()]).toEqual([true, true]);
  });

  test('one of two workers that starts anew leaves the containers of the other', async () => {
    await using workers = await BackgroundWorkers.start(cluster, 2);
    for (const worker of workers.all) await worker.client.invoke('echo', 1);
    const [first, second] = workers.all;
    if (first === undefined || second === undefined) throw new Error('there are not two workers');
    first.kill('SIGKILL');
    await until('end of the worker', async () => (await claimsOf(cluster)).live.length === 1);
    await using again = await BackgroundWorkers.start(cluster, 1);
    const found = await owned();
    expect(found.map(({ worker }) => worker)).toEqual([expect.stringMatching(/worker-1$/)]);
    expect(await second.client.invoke('echo', 3)).toMatchObject({ status: 200, body: '3' });
    expect(again.all).toHaveLength(1);
  });

  test('after a kill -9 `admin kill` removes them, and no other, and may be called again', async () => {
    await using other = await foreign();
    await using workers = await BackgroundWorkers.start(cluster);
    await workers.first.client.invoke('echo', 1);
    workers.first.kill('SIGKILL');
    await until('end of the worker', async () => (await claimsOf(cluster)).live.length === 0);
    expect(await owned()).toHaveLength(1);
    for (let count = 0; count < 2; count++) {
      const { status, stderr } = await admin('kill', `--cluster=${cluster.paths.root}`);
      expect([status, stderr]).toEqual([0, '']);
      expect(await owned()).toEqual([]);
    }
    expect(await other.isRunning()).toBe(true);
    expect(await claimsOf(cluster)).toEqual({ live: [], stale: [] });
  });

  test('`admin kill` removes what is there of the cluster without a claim, as after a reboot', async () => {
    await using other = await foreign();
    await foreign({ 'org.openlambda.cluster': cluster.paths.root });
    expect((await admin('kill', `--cluster=${cluster.paths.root}`)).status).toBe(0);
    expect(await owned()).toEqual([]);
    expect(await other.isRunning()).toBe(true);
  });

  test('`admin kill` of a worker that runs leaves no container', async () => {
    await using workers = await BackgroundWorkers.start(cluster);
    await workers.first.client.invoke('echo', 1);
    const { status, stdout } = await admin('kill', `--cluster=${cluster.paths.root}`);
    expect([status, stdout]).toEqual([0, expect.stringMatching(/^worker-0 {2}pid \d+ {2}ended\n$/)]);
    expect(await allContainers()).toEqual([]);
  });

  test('`admin status` has a line for each container', async () => {
    await using workers = await BackgroundWorkers.start(cluster);
    await workers.first.client.invoke('echo', 1);
    const { status, stdout } = await admin('status', `--cluster=${cluster.paths.root}`);
    expect(status).toBe(0);
    expect(stdout).toMatch(
      /Cluster containers:\n {2}echo\/\d+ +(idle|paused) +pid \d+ +[\d.]+ MB +\d+ s\n\n$/,
    );
  });

  test('`admin kill` ends where the daemon is gone, and says what it could not do', async () => {
    await cluster.configure({ docker_socket: '/nonexistent/docker.sock' });
    const { status, stderr } = await admin('kill', `--cluster=${cluster.paths.root}`);
    expect(status).toBe(0);
    expect(stderr).toMatch(/no Docker daemon answers at \/nonexistent\/docker\.sock/);
    expect(existsSync(cluster.paths.root)).toBe(true);
  });
});

function admin(...args: string[]) {
  return run(process.execPath, [CLI, ...args], '/');
}
