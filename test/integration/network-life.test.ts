import { readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { findNft } from '../../src/network/nft.ts';
import { findProgram } from '../../src/network/program.ts';
import { placeOf } from '../../src/network/rules.ts';
import { claimsOf, initOf, untilGone, zygoteIfThere, zygoteOf } from '../helpers/background.ts';
import { TestCluster } from '../helpers/cluster.ts';
import { gateOf } from '../helpers/gate.ts';
import { leavesNothing } from '../helpers/leftovers.ts';
import { until } from '../helpers/poll.ts';
import { listProcesses, treeOf } from '../helpers/processes.ts';
import { python } from '../helpers/python.ts';
import { describeWithMachine, OUTSIDE, PORT, TestMachine, WORKER } from '../helpers/test-machine.ts';
import { makeTestDir, removeEmptyRoot } from '../helpers/test-root.ts';

leavesNothing();

/** As `reach`, once its gate is open. */
const LATE = python`
  import os, time, reach
  def handler(event):
      print(1, flush=True)
      while not os.path.exists('/host/open'):
          time.sleep(0.005)
      return reach.handler(event)
`;
const FORWARD = 'ipv4/ip_forward';

describeWithMachine('the network of a worker', () => {
  let dir: string;
  let machine: TestMachine;
  beforeAll(async () => {
    dir = await makeTestDir();
    machine = await TestMachine.start(dir);
  });
  afterAll(async () => {
    await machine[Symbol.asyncDispose]();
    await rm(dir, { recursive: true });
    await removeEmptyRoot();
  });
  beforeEach(async () => {
    await machine.set(FORWARD, '0');
  });

  /** Disposing of it ends its workers, too: those of a test that failed would be in the way of all others. */
  async function clusterOf(settings = {}): Promise<TestCluster> {
    const cluster = await TestCluster.create();
    await cluster.addFixture('reach');
    await cluster.configure(settings);
    const remove = cluster[Symbol.asyncDispose].bind(cluster);
    cluster[Symbol.asyncDispose] = async () => {
      const { live, stale } = await claimsOf(cluster);
      if (live.length + stale.length > 0) await kill(cluster);
      await remove();
    };
    return cluster;
  }
  const start = (cluster: TestCluster, port = WORKER, count = 1) =>
    machine.admin(
      'workers',
      '--cluster',
      cluster.paths.root,
      '--port',
      `${port}`,
      '--num-workers',
      `${count}`,
    );
  const kill = (cluster: TestCluster) => machine.admin('kill', '--cluster', cluster.paths.root);
  const fetch = (port = WORKER) =>
    machine.call<string>(port, 'reach', { do: 'stream', host: OUTSIDE.public, port: PORT });
  const namesOf = async (cluster: TestCluster) =>
    (await claimsOf(cluster)).live.map(({ slot }) => placeOf(slot).name).sort();
  const log = async (cluster: TestCluster, level: number) => {
    const text = await readFile(join(cluster.paths.logs, 'worker-0.out'), 'utf8');
    const lines = text
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    return lines.filter((line) => line.level === level);
  };
  /** Nothing of a worker is on the machine. */
  async function expectNothing(): Promise<void> {
    expect(await machine.tables()).toEqual([]);
    // The kernel takes links down some time after their last process.
    await until('end of the links', async () => (await machine.links()).length === 2);
    expect(await machine.links()).toEqual(['lo', 'wan']);
    expect(await machine.setting(FORWARD)).toBe('0');
  }
  /** As a crash: of the first worker. */
  async function crash(cluster: TestCluster): Promise<void> {
    const [claim] = (await claimsOf(cluster)).live;
    const tree = treeOf(claim?.pid ?? 0);
    process.kill(claim?.pid ?? 0, 'SIGKILL');
    await untilGone(tree);
  }

  test('is one table and one link for each, and nothing after `kill`', async () => {
    await using cluster = await clusterOf();
    await start(cluster, WORKER, 2);
    const names = await namesOf(cluster);
    expect(await machine.tables()).toEqual(names.map((name) => `table inet ${name}`));
    expect(await machine.links()).toEqual(['lo', ...names, 'wan'].sort());
    expect(await machine.setting(FORWARD)).toBe('1');
    for (const port of [WORKER, WORKER + 1]) expect(await fetch(port)).toMatch(/^seen/);
    await kill(cluster);
    await expectNothing();
  });

  test('leaves forwarding as it found it, and other tables alone', async () => {
    await machine.set(FORWARD, '1');
    await machine.run(['nft', 'add', 'table', 'inet', 'somebody']);
    await using cluster = await clusterOf();
    await start(cluster);
    await kill(cluster);
    expect(await machine.setting(FORWARD)).toBe('1');
    expect(await machine.tables()).toEqual(['table inet somebody']);
    await machine.run(['nft', 'delete', 'table', 'inet', 'somebody']);
  });

  test('is gone after a crash and `kill`', async () => {
    await using cluster = await clusterOf();
    await start(cluster);
    await crash(cluster);
    expect(await machine.tables()).toHaveLength(1);
    expect(await machine.setting(FORWARD)).toBe('1');
    await kill(cluster);
    await expectNothing();
  });

  test('is there again after a crash and the next start, and gone after that', async () => {
    await using cluster = await clusterOf();
    await start(cluster);
    await crash(cluster);
    await start(cluster);
    expect(await machine.tables()).toHaveLength(1);
    expect(await fetch()).toMatch(/^seen/);
    await kill(cluster);
    await expectNothing();
  });

  test('is gone after a crash when a worker of another cluster starts', async () => {
    await using crashed = await clusterOf();
    await using holder = await clusterOf();
    await using other = await clusterOf({ network: 'none' });
    await start(holder);
    await start(crashed, WORKER + 1);
    await crash(crashed);
    expect(await machine.tables()).toHaveLength(2);
    await start(other, WORKER + 2);
    const [held] = await namesOf(holder);
    expect(await machine.tables()).toEqual([`table inet ${held}`]);
    expect(await fetch()).toMatch(/^seen/);
    await kill(holder);
    await expectNothing();
    await kill(other);
    await kill(crashed);
  });

  test('puts forwarding back when the last worker has ended', async () => {
    await using first = await clusterOf();
    await using second = await clusterOf();
    await start(first);
    await start(second, WORKER + 1);
    await kill(first);
    expect(await machine.setting(FORWARD)).toBe('1');
    expect(await fetch(WORKER + 1)).toMatch(/^seen/);
    await kill(second);
    await expectNothing();
  });

  test('is made again with PID 1 of the sandboxes when that has died', async () => {
    await using cluster = await clusterOf();
    await start(cluster);
    const init = await initOf(cluster);
    const tree = listProcesses().filter(({ pid }) => pid === init);
    process.kill(init, 'SIGKILL');
    await untilGone(tree);
    await until('answer', async () => (await fetch().catch(() => '')).startsWith('seen'));
    await kill(cluster);
    await expectNothing();
  });

  test.each([
    'SIGKILL',
    'SIGSTOP',
  ] as const)('goes on for what is under way at a %s of the root zygote, and is there for what comes after it', async (signal) => {
    await using cluster = await clusterOf();
    await cluster.addFixture('reach', 'late');
    await rename(
      join(cluster.paths.registry, 'late', 'lambda_func.py'),
      join(cluster.paths.registry, 'late', 'reach.py'),
    );
    await cluster.writeFunction('late', LATE);
    await start(cluster);
    const late = machine.call<string>(WORKER, 'late', { do: 'stream', host: OUTSIDE.public, port: PORT });
    const gate = await gateOf(cluster.paths, 'late');
    const zygote = await zygoteOf(cluster);
    process.kill(zygote, signal);
    await until('another root zygote', async () => {
      const pid = await zygoteIfThere(cluster);
      return pid !== null && pid !== zygote;
    });
    // The next ones have other links, beside that of the one that is left.
    expect(await fetch()).toMatch(/^seen/);
    await gate.open();
    expect(await late).toMatch(/^seen/);
    await kill(cluster);
    await expectNothing();
  });

  test('is none where nft is not installed, and the log says why and what to do', async () => {
    await using cluster = await clusterOf();
    const words = ['workers', '--cluster', cluster.paths.root, '--port', `${WORKER}`];
    await machine.adminWithout({ program: findNft() }, ...words);
    expect(await fetch()).toBe('ENETUNREACH');
    expect(await log(cluster, 40)).toEqual([
      expect.objectContaining({
        msg: expect.stringMatching(/^sandboxes have no network: mend that, or set network to "none"$/),
        reason: expect.stringMatching(/nft is not installed: install nftables/),
      }),
    ]);
    await kill(cluster);
    await expectNothing();
  });

  test('is none where packets cannot be forwarded, and nothing is left of the attempt', async () => {
    await using cluster = await clusterOf();
    const words = ['workers', '--cluster', cluster.paths.root, '--port', `${WORKER}`];
    await machine.adminWithout({ writable: '/proc/sys/net/ipv4/ip_forward' }, ...words);
    expect(await fetch()).toBe('ENETUNREACH');
    expect((await log(cluster, 40)).map(({ reason }) => reason)).toEqual([
      expect.stringMatching(/packets cannot be forwarded: let this process write net\.ipv4\.ip_forward/),
    ]);
    await expectNothing();
    await kill(cluster);
  });

  test('is refused at the start where it was asked for and can’t be had', async () => {
    await using cluster = await clusterOf({ network: 'nat' });
    const words = ['workers', '--cluster', cluster.paths.root, '--port', `${WORKER}`];
    await expect(machine.adminWithout({ program: findNft() }, ...words)).rejects.toThrow(
      /nft is not installed: install nftables/,
    );
    expect(await claimsOf(cluster)).toEqual({ live: [], stale: [] });
    await expectNothing();
  });

  test('is none where that was asked for, without a word', async () => {
    await using cluster = await clusterOf({ network: 'none' });
    await start(cluster);
    expect(await machine.call(WORKER, 'reach', { do: 'interfaces' })).toEqual(['lo']);
    expect(await log(cluster, 40)).toEqual([]);
    expect(await machine.tables()).toEqual([]);
    await kill(cluster);
  });

  test('is the machine’s own where that was asked for, and the log says that it is unsafe', async () => {
    await using cluster = await clusterOf({ network: 'host' });
    await start(cluster);
    const call = (what: string, more = {}) => machine.call(WORKER, 'reach', { do: what, ...more });
    expect(await call('interfaces')).toEqual(['lo', 'wan']);
    expect(await call('stream', { host: '127.0.0.1', port: PORT })).toMatch(/^seen/);
    expect(await call('fetch', { url: `http://outside.test:${PORT}/` })).toBe('seen 203.0.113.1');
    expect(await call('raw_socket')).toBe('EPERM');
    expect((await log(cluster, 40)).map(({ msg }) => msg)).toEqual([
      expect.stringContaining('this is unsafe'),
    ]);
    await kill(cluster);
    await expectNothing();
  });

  test('is said to be closed by the older iptables, which nft does not show, until that lets it through', async ({
    skip,
  }) => {
    const iptables = findProgram('iptables-legacy');
    skip(iptables === null, 'iptables-legacy is not installed here');
    const rules = (...words: string[]) => machine.run([iptables ?? '', '-w', '5', ...words]);
    await using cluster = await clusterOf();
    for (const [closed, open] of [
      [
        ['-P', 'FORWARD', 'DROP'],
        ['-P', 'FORWARD', 'ACCEPT'],
      ],
      [
        ['-A', 'FORWARD', '-j', 'REJECT'],
        ['-F', 'FORWARD'],
      ],
    ] as const) {
      await rules(...closed);
      await start(cluster);
      expect((await log(cluster, 40)).at(-1)).toMatchObject({
        chain: 'iptables-legacy FORWARD',
        msg: expect.stringContaining('docs/network.md'),
      });
      await expect(fetch()).resolves.not.toMatch(/^seen/);
      await kill(cluster);
      await rules('-I', 'FORWARD', '-i', 'openlambda-+', '-j', 'ACCEPT');
      await rules(
        '-I',
        'FORWARD',
        '-o',
        'openlambda-+',
        '-m',
        'conntrack',
        '--ctstate',
        'RELATED,ESTABLISHED',
        '-j',
        'ACCEPT',
      );
      const warnings = (await log(cluster, 40)).length;
      await start(cluster);
      expect(await log(cluster, 40)).toHaveLength(warnings);
      expect(await fetch()).toMatch(/^seen/);
      await kill(cluster);
      await rules(...open);
      await rules('-F', 'FORWARD');
    }
    await expectNothing();
  });

  test('is said to be closed by a firewall that forwards nothing it does not know', async () => {
    await machine.run([
      'nft',
      'add table ip filter { chain FORWARD { type filter hook forward priority 0; policy drop; }; }',
    ]);
    await using cluster = await clusterOf();
    await start(cluster);
    expect(await log(cluster, 40)).toEqual([
      expect.objectContaining({
        chain: 'ip filter FORWARD',
        msg: expect.stringContaining('docs/network.md'),
      }),
    ]);
    await machine.run([
      'nft',
      'insert rule ip filter FORWARD iifname "openlambda-*" accept; insert rule ip filter FORWARD oifname "openlambda-*" ct state established,related accept',
    ]);
    expect(await fetch()).toMatch(/^seen/);
    await kill(cluster);
    await machine.run(['nft', 'delete', 'table', 'ip', 'filter']);
    await expectNothing();
  });
});
