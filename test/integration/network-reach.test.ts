import { rm } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { placeOf, ROUTER_ADDRESS } from '../../src/network/rules.ts';
import { claimsOf } from '../helpers/background.ts';
import { TestCluster } from '../helpers/cluster.ts';
import { leavesNothing } from '../helpers/leftovers.ts';
import { listProcesses, type ProcessInfo } from '../helpers/processes.ts';
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

/** Of an address that is refused, or that there is no way to. */
const REFUSED = /^(EHOSTUNREACH|ENETUNREACH|ECONNREFUSED|EACCES|EADDRNOTAVAIL)$/;

describeWithMachine('sandboxes of a worker that has nothing said of a network', () => {
  let dir: string;
  let cluster: TestCluster;
  let machine: TestMachine;
  let places: ReturnType<typeof placeOf>[];
  beforeAll(async () => {
    dir = await makeTestDir();
    cluster = await TestCluster.create();
    machine = await TestMachine.start(dir);
    for (const name of ['reach', 'other']) await cluster.addFixture('reach', name);
    await machine.admin(
      'workers',
      '--cluster',
      cluster.paths.root,
      '--port',
      String(WORKER),
      '--num-workers',
      '2',
    );
    places = (await claimsOf(cluster)).live.map(({ slot }) => placeOf(slot));
  });
  afterAll(async () => {
    await machine.admin('kill', '--cluster', cluster.paths.root);
    await machine[Symbol.asyncDispose]();
    await cluster[Symbol.asyncDispose]();
    await rm(dir, { recursive: true });
    await removeEmptyRoot();
  });
  const reach = (what: string, more: object = {}) =>
    machine.call<string>(WORKER, 'reach', { do: what, ...more });

  test('reach the outside by name, and are seen there as the machine', async () => {
    expect(await reach('fetch', { url: `http://outside.test:${PORT}/` })).toBe('seen 203.0.113.1');
  });

  test.each(['stream', 'datagram'])('reach public addresses by %s', async (kind) => {
    for (const host of [OUTSIDE.public, OUTSIDE.otherPublic])
      expect(await reach(kind, { host, port: PORT })).toBe('seen 203.0.113.1');
  });

  test('send and get as much as they like by stream', async () => {
    expect(await reach('echo_stream', { host: OUTSIDE.public, port: PORT, size: 20_000_000 })).toBe(true);
  });

  // What the outside's link takes in one piece, the sandbox's takes in two.
  test.each([
    1251, 1252, 1472, 1473, 4000, 60_000,
  ])('send and get a datagram of %i bytes, the first one too', async (size) => {
    expect(await reach('echo_datagram', { host: OUTSIDE.public, port: PORT, size })).toBe(true);
  });

  test('are told what their link takes in one piece', async () => {
    const whole = { host: OUTSIDE.public, port: PORT, whole: true };
    expect(await reach('echo_datagram', { ...whole, size: 1251 })).toBe(true);
    expect(await reach('echo_datagram', { ...whole, size: 1252 })).toBe('EMSGSIZE');
  });

  test('have one link, and no address of IPv6 on it', async () => {
    expect(await reach('interfaces')).toEqual(['eth0', 'lo']);
    expect(await reach('ipv6_of_links')).toEqual(['lo']);
    expect(await reach('stream', { host: '2001:db8::2', port: PORT })).toBe('ENETUNREACH');
    expect(await reach('datagram', { host: '2001:db8::1', port: PORT })).toMatch(REFUSED);
  });

  test.each(
    MACHINE_ADDRESSES,
  )('reach neither the worker nor anything else at the machine’s %s', async (host) => {
    // The machine itself gets an answer there.
    expect(await machine.reach(host, PORT)).toMatch(/^seen/);
    for (const port of [WORKER, PORT]) expect(await reach('stream', { host, port })).toMatch(REFUSED);
    expect(await reach('datagram', { host, port: PORT })).toMatch(REFUSED);
  });

  test('reach no address of the links between workers and machine', async () => {
    for (const { machineAddress, routerAddress } of places)
      for (const host of [machineAddress, routerAddress]) {
        for (const port of [WORKER, PORT]) expect(await reach('stream', { host, port })).toMatch(REFUSED);
        expect(await reach('datagram', { host, port: PORT })).toMatch(REFUSED);
      }
  });

  test.each(['127.0.0.1', '127.0.0.53', '::1'])('reach no loopback but their own at %s', async (host) => {
    for (const port of [WORKER, PORT, 53]) expect(await reach('stream', { host, port })).toMatch(REFUSED);
    expect(await reach('datagram', { host, port: PORT })).toMatch(REFUSED);
  });

  test.each([
    ...OUTSIDE.private,
    OUTSIDE.metadata,
  ])('do not reach %s, which the machine reaches', async (host) => {
    expect(await machine.reach(host, PORT)).toMatch(/^seen/);
    expect(await reach('stream', { host, port: PORT })).toMatch(REFUSED);
    expect(await reach('datagram', { host, port: PORT })).toMatch(REFUSED);
  });

  test.each([
    '255.255.255.255',
    '240.255.255.255',
    '203.0.113.255',
    '224.0.0.1',
  ])('broadcast to nobody at %s', async (host) => {
    expect(await reach('datagram', { host, port: PORT })).not.toMatch(/^seen/);
  });

  test('reach the router for names alone', async () => {
    for (const port of [22, PORT, WORKER])
      expect(await reach('stream', { host: ROUTER_ADDRESS, port })).toMatch(REFUSED);
    expect(await reach('datagram', { host: ROUTER_ADDRESS, port: PORT })).toMatch(REFUSED);
  });

  test('reach no other sandbox of the same worker, nor one of another worker', async () => {
    for (const port of [WORKER, WORKER + 1]) {
      const host = await machine.call<string>(port, 'other', { do: 'listen', port: PORT });
      // It listens, where it is.
      expect(await machine.call(port, 'other', { do: 'datagram', host, port: PORT + 1 })).toBe(
        'ECONNREFUSED',
      );
      const own = await reach('address');
      if (host !== own) expect(await reach('stream', { host, port: PORT })).toMatch(REFUSED);
      if (port === WORKER) expect(host).not.toBe(own);
    }
  });

  test.each([
    ['raw_socket', 'EPERM'],
    ['packet_socket', 'EAFNOSUPPORT'],
    ['change_address', 'EPERM'],
    ['take_link_down', 'EPERM'],
    ['be_transparent', 'EPERM'],
    ['set_mark', 'EPERM'],
    ['enter_namespace', 'EPERM'],
    ['send_as', expect.stringMatching(/^(EINVAL|ENETUNREACH)$/)],
  ])('cannot %s', async (what, answer) => {
    expect(await reach(what, { address: '240.0.0.99', host: OUTSIDE.public, port: PORT })).toEqual(answer);
  });

  test('look up names: short answers, long ones by TCP, and that there is none', async () => {
    expect(await reach('resolve', { name: 'outside.test' })).toEqual([OUTSIDE.public]);
    expect(await reach('resolve', { name: 'long.test' })).toHaveLength(200);
    expect(await reach('resolve', { name: 'nowhere.test' })).toMatch(/^gaierror -(2|5)$/);
  });

  test('do not reach a private address because a name stands for it', async () => {
    expect(await reach('fetch', { url: `http://private.test:${PORT}/` })).toMatch(REFUSED);
  });

  test('get no answer to what is no plain question', async () => {
    const question = '000101000001000000000000076f7574736964650474657374000001 0001'.replace(' ', '');
    expect(await reach('ask', { host: ROUTER_ADDRESS, message: question })).toMatch(/^00018180/);
    const update = question.replace(/^00010100/, '00012900');
    const transfer = question.replace(/00010001$/, '00fc0001');
    for (const message of [update, transfer, '0001', question.slice(0, -4)])
      expect(await reach('ask', { host: ROUTER_ADDRESS, message })).toBe('timeout');
  });

  test('that ask too often get no answers for a while, and others do', async () => {
    const message = '000101000001000000000000076f757473696465047465737400 00010001'.replace(' ', '');
    const answered = await reach('ask_often', { host: ROUTER_ADDRESS, message, count: 2000 });
    expect(Number(answered)).toBeLessThan(500);
    expect(await machine.call(WORKER, 'other', { do: 'resolve', name: 'outside.test' })).toEqual([
      OUTSIDE.public,
    ]);
  });

  test('the next one is no worse off when the resolver has died', async () => {
    const [worker] = (await claimsOf(cluster)).live;
    const all = listProcesses();
    const isLauncher = ({ command, parent }: ProcessInfo) =>
      command.includes('launch.py') && parent === worker?.pid;
    const launcher = all.find(isLauncher);
    const resolver = all.find(
      ({ parent, command }) => parent === launcher?.pid && command.includes('launch.py'),
    );
    expect(resolver).toBeDefined();
    if (resolver !== undefined) process.kill(resolver.pid, 'SIGKILL');
    expect(await reach('fetch', { url: `http://outside.test:${PORT}/` })).toBe('seen 203.0.113.1');
  });
});
