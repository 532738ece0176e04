import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ConfigFile } from '../../src/config/schema.ts';
import { TestCluster } from '../helpers/cluster.ts';
import { makeDockerEngine } from '../helpers/docker-engine.ts';
import { NO_DOCKER, TEST_IMAGE, TestDockerd } from '../helpers/dockerd.ts';
import { leavesNothing } from '../helpers/leftovers.ts';
import {
  describeWithMachine,
  MACHINE_ADDRESSES,
  OUTSIDE,
  PORT,
  TestMachine,
  WORKER,
} from '../helpers/test-machine.ts';
import { makeTestDir, removeEmptyRoot } from '../helpers/test-root.ts';

leavesNothing();

const GATEWAY = '172.30.99.1';
/** Of an address that is refused, or that there is no way to. */
const REFUSED = /^(EHOSTUNREACH|ENETUNREACH|ECONNREFUSED|EADDRNOTAVAIL)$/;
const EVERYWHERE = [OUTSIDE.public, ...MACHINE_ADDRESSES, ...OUTSIDE.private, OUTSIDE.metadata];

describeWithMachine('the networks of containers', () => {
  if (NO_DOCKER !== null) return test('runs', ({ skip }) => skip(NO_DOCKER ?? ''));
  let dir: string;
  let machine: TestMachine;
  let dockerd: TestDockerd;
  beforeAll(async () => {
    dir = await makeTestDir();
    machine = await TestMachine.start(dir);
    dockerd = await TestDockerd.start({ into: machine.into, bridge: `${GATEWAY}/24` });
  });
  afterAll(async () => {
    await dockerd[Symbol.asyncDispose]();
    await machine[Symbol.asyncDispose]();
    await rm(dir, { recursive: true });
    await removeEmptyRoot();
  });

  /** A worker on that machine, for the tests of a `describe`. */
  function useWorkerWith(settings: ConfigFile) {
    let cluster: TestCluster;
    beforeAll(async () => {
      cluster = await TestCluster.create();
      for (const name of ['reach', 'other']) await cluster.addFixture('reach', name);
      const { socket: docker_socket } = dockerd;
      await cluster.configure({ sandbox: 'docker', docker_image: TEST_IMAGE, docker_socket, ...settings });
      await machine.admin('workers', '--cluster', cluster.paths.root, '--port', `${WORKER}`);
    });
    afterAll(async () => {
      await machine.admin('kill', '--cluster', cluster.paths.root);
      await cluster[Symbol.asyncDispose]();
    });
    return {
      reach: (what: string, more: object = {}, name = 'reach') =>
        machine.call<string>(WORKER, name, { do: what, ...more }),
      /** The log's lines that speak of what the network reaches. */
      warnings: async () => {
        const text = await readFile(join(cluster.paths.logs, 'worker-0.out'), 'utf8');
        return text.split('\n').filter((line) => line.includes('"level":40') && line.includes('reach'));
      },
    };
  }

  describe.each([[{}], [{ network: 'none' as const }]])('with %j', (settings) => {
    const { reach, warnings } = useWorkerWith(settings);

    test('there is a loopback, and no way out', async () => {
      expect(await reach('interfaces')).toEqual(['lo']);
      for (const host of [...EVERYWHERE, GATEWAY]) {
        expect(await reach('stream', { host, port: PORT })).toBe('ENETUNREACH');
        expect(await reach('datagram', { host, port: PORT })).toBe('ENETUNREACH');
      }
      for (const port of [WORKER, PORT])
        expect(await reach('stream', { host: '127.0.0.1', port })).toBe('ECONNREFUSED');
      expect(await warnings()).toEqual([]);
    });
  });

  describe('with "host"', () => {
    const { reach, warnings } = useWorkerWith({ network: 'host' });

    test('there is what the machine has, and its loopback, and the log warns of it', async () => {
      expect(await reach('interfaces')).toEqual(await machine.links());
      for (const host of [...EVERYWHERE, GATEWAY, '127.0.0.1'])
        expect(await reach('stream', { host, port: PORT })).toMatch(/^seen/);
      expect(await reach('stream', { host: '127.0.0.1', port: WORKER })).not.toMatch(REFUSED);
      expect(await reach('resolve', { name: 'outside.test' })).toEqual([OUTSIDE.public]);
      expect(await warnings()).toEqual([expect.stringMatching(/unsafe/)]);
    });
  });

  describe('with "nat"', () => {
    const { reach, warnings } = useWorkerWith({ network: 'nat' });

    test('each has an address of its own on the bridge', async () => {
      expect(await reach('interfaces')).toEqual(['eth0', 'lo']);
      const addresses = [await reach('address'), await reach('address', {}, 'other')];
      for (const address of addresses) expect(address).toMatch(/^172\.30\.99\.\d+$/);
      expect(new Set([...addresses, GATEWAY]).size).toBe(3);
    });

    test('the outside is reached, and sees the machine', async () => {
      for (const host of [OUTSIDE.public, OUTSIDE.otherPublic])
        for (const kind of ['stream', 'datagram'])
          expect(await reach(kind, { host, port: PORT })).toBe('seen 203.0.113.1');
    });

    test('the machine’s loopback is not reached, and so the worker is not, which listens there alone', async () => {
      for (const host of ['127.0.0.1', '::1', GATEWAY, ...MACHINE_ADDRESSES])
        expect(await reach('stream', { host, port: WORKER })).toMatch(REFUSED);
    });

    // The daemon promises no more than this. What the docs and the log say of it should change with it.
    test('services of the machine, private networks, metadata and other containers are reached, and the log says so', async () => {
      for (const host of [GATEWAY, ...EVERYWHERE])
        expect([host, await reach('stream', { host, port: PORT })]).toEqual([
          host,
          expect.stringMatching(/^seen/),
        ]);
      const host = await reach('listen', { port: PORT + 1 }, 'other');
      expect(await reach('datagram', { host, port: PORT + 1 })).toBe('ECONNREFUSED');
      expect(await warnings()).toEqual([
        expect.stringMatching(/services of this machine.*private networks.*metadata.*each other/),
      ]);
    });

    test.each([
      'raw_socket',
      'packet_socket',
      'change_address',
      'take_link_down',
      'be_transparent',
      'set_mark',
    ])('a function cannot %s', async (what) => {
      expect(await reach(what, { address: '172.30.99.99' })).toBe('EPERM');
    });
  });

  test.each([
    'host',
    'bridge',
  ])('what installs packages has a loopback alone, also with %s', async (network) => {
    const { engine, code, dispose } = await makeDockerEngine(dockerd, { network });
    try {
      const text = 'import socket\ndef handler(event): return [name for _, name in socket.if_nameindex()]\n';
      const bounds = { memLimitMb: 128, procsMax: 16, scratchMaxMb: 16, scratchMaxFiles: 100 };
      const workshop = await engine.openWorkshop(await code('install', text), bounds);
      const request = { body: Buffer.from('null'), timeoutMs: 60_000, responseMaxBytes: 1000 };
      const { body } = await workshop.request(request);
      await workshop.close();
      expect(JSON.parse(String(body))).toEqual(['lo']);
    } finally {
      await dispose();
    }
  });
});
