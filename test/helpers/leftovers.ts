import { spawnSync } from 'node:child_process';
import { lookup } from 'node:dns/promises';
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { CLAIMS_DIR } from '../../src/cluster/claims.ts';
import { findNft } from '../../src/network/nft.ts';
import { SLOWNESS } from './poll.ts';
import { listProcesses, type ProcessInfo, parentOf } from './processes.ts';
import { TEST_ROOT } from './test-root.ts';

/** What is on its way out has this long. */
const PATIENCE_MS = 15_000 * SLOWNESS;
const EVERY_MS = 25;
const LAUNCHER = '/runtime/python/launch.py';

interface Snapshot {
  readonly processes: ReadonlySet<string>;
  readonly mounts: ReadonlySet<string>;
  readonly namespaces: ReadonlySet<string>;
  readonly descriptors: ReadonlySet<string>;
  readonly cgroups: ReadonlySet<string>;
  readonly links: ReadonlySet<string>;
  readonly tables: ReadonlySet<string>;
  readonly forwarding: string;
}

/**
 * After all tests of this file: no process, mount, network namespace, link, table of a firewall, descriptor, claim or file is left
 * that was not there before. Call it first in the file, so that it looks last. Other workers of the machine are none of its business.
 */
export function leavesNothing(): void {
  let before: Snapshot;
  beforeAll(async () => {
    await openWhatNodeKeeps();
    before = takeSnapshot();
  });
  afterAll(async () => {
    const end = performance.now() + PATIENCE_MS;
    let left = findLeftovers(before);
    while (left.length > 0 && performance.now() < end) {
      await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
      left = findLeftovers(before);
    }
    if (left.length > 0) throw new Error(`left behind by the tests of this file:\n  ${left.join('\n  ')}`);
  });
}

/** Node opens some descriptors when they are first needed, and keeps them: a pipe for signals, for one. */
async function openWhatNodeKeeps(): Promise<void> {
  spawnSync('/bin/true');
  await lookup('localhost');
}

function takeSnapshot(): Snapshot {
  return {
    processes: new Set(listProcesses().map(identity)),
    mounts: new Set(mounts()),
    namespaces: new Set(namedNamespaces()),
    descriptors: new Set(descriptors()),
    cgroups: new Set(cgroups()),
    links: new Set(links()),
    tables: new Set(tables()),
    forwarding: forwarding(),
  };
}

function findLeftovers(before: Snapshot): string[] {
  return [
    ...ownProcesses(before).map(({ pid, command }) => `process ${pid}: ${command}`),
    ...mounts()
      .filter((line) => !before.mounts.has(line))
      .map((line) => `mount: ${line}`),
    ...namedNamespaces()
      .filter((name) => !before.namespaces.has(name))
      .map((name) => `network namespace ${name}`),
    ...descriptors()
      .filter((line) => !before.descriptors.has(line))
      .map((line) => `descriptor ${line}`),
    ...cgroups()
      .filter((path) => !before.cgroups.has(path))
      .map((path) => `cgroup ${path}`),
    ...links()
      .filter((name) => !before.links.has(name))
      .map((name) => `network link ${name}`),
    ...tables()
      .filter((name) => !before.tables.has(name))
      .map((name) => `firewall table ${name}`),
    // Another run's worker may have turned it on meanwhile.
    ...(forwarding() !== before.forwarding && networksOfOthers().length === 0
      ? [`net.ipv4.ip_forward, which was ${before.forwarding}, is ${forwarding()}`]
      : []),
    ...claims().map((path) => `claim ${path}`),
    ...(existsSync(TEST_ROOT) ? readdirSync(TEST_ROOT).map((name) => `directory ${TEST_ROOT}/${name}`) : []),
  ];
}

function identity({ pid, startTicks }: ProcessInfo): string {
  return `${pid}.${startTicks}`;
}

/** The new processes that our tests started, directly or not. */
function ownProcesses({ processes }: Snapshot): ProcessInfo[] {
  const all = new Map(listProcesses().map((one) => [one.pid, one]));
  const self = all.get(process.pid);
  if (self === undefined) throw new Error('/proc does not show this process');
  const isOurs = (one: ProcessInfo) =>
    isOfWorker(one, self) && !processes.has(identity(one)) && !isHeldByOthers(one, all, self);
  return [...all.values()].filter(isOurs);
}

/** A worker of these tests, a launcher, a root zygote, or something in a sandbox. */
function isOfWorker(one: ProcessInfo, self: ProcessInfo): boolean {
  const isInside = one.pidNamespace !== self.pidNamespace || one.netNamespace !== self.netNamespace;
  return isInside || one.command.includes(LAUNCHER) || one.command.includes(TEST_ROOT);
}

/** True for what hangs on a living worker that is not of these tests: a user's, or another run's. */
function isHeldByOthers(one: ProcessInfo, all: ReadonlyMap<number, ProcessInfo>, self: ProcessInfo): boolean {
  const above = ancestors(self, all);
  for (const at of ancestors(one, all)) {
    // Orphans go up to init, or to whichever ancestor of ours takes them in.
    if (at.pid === self.pid || at.pid === 1 || above.includes(at)) return false;
    if (!isOfWorker(at, self)) return true;
  }
  return false;
}

/** From the nearest on. One that has let go of its namespaces, a dying root zygote, is passed over: it may take a while. */
function ancestors(one: ProcessInfo, all: ReadonlyMap<number, ProcessInfo>): ProcessInfo[] {
  const found: ProcessInfo[] = [];
  for (let pid: number | null = one.parent; pid !== null && pid > 0; ) {
    const at = all.get(pid);
    if (at !== undefined) found.push(at);
    pid = at?.parent ?? parentOf(pid);
  }
  return found;
}

/** What a machine mounts by itself: for whoever looks at tracing, or logs in. The mount point is the fifth word. */
const OF_THE_MACHINE = /^(?:\S+ ){4}\/(?:sys|proc\/sys|run\/user)\//;

/** Of this machine, not of a namespace. */
export function mounts(): string[] {
  const lines = readFileSync('/proc/self/mountinfo', 'utf8').trimEnd().split('\n');
  return lines.filter((line) => !OF_THE_MACHINE.test(line) && !isOfOtherTests(line));
}

function isOfOtherTests(line: string): boolean {
  return line.includes(`${dirname(TEST_ROOT)}/ol-test-`) && !line.includes(`${TEST_ROOT}/`);
}

function namedNamespaces(): string[] {
  return existsSync('/run/netns') ? readdirSync('/run/netns') : [];
}

const CGROUP_ROOT = '/sys/fs/cgroup';

/** Groups that a test makes without a worker are called after its process. */
const OF_A_TEST = /^openlambda-[a-z]+-(\d+)\b/;

/** The groups of workers, in every hierarchy; not those of a user's worker, which hold its claim's slot, or of another run. */
function cgroups(): string[] {
  const others = claimFiles().filter((path) => !isOurClaim(path));
  const theirs = others.map((path) => `openlambda-${basename(path, '.json')}`);
  return groupsBelow(CGROUP_ROOT).filter((path) => {
    const name = basename(path);
    return !theirs.includes(name) && (OF_A_TEST.exec(name)?.[1] ?? `${process.pid}`) === `${process.pid}`;
  });
}

function groupsBelow(dir: string): string[] {
  const inner = directoriesIn(dir);
  const ours = inner.filter((path) => basename(path).startsWith('openlambda-'));
  return [...ours, ...inner.filter((path) => !ours.includes(path)).flatMap(groupsBelow)];
}

function directoriesIn(dir: string): string[] {
  try {
    const entries = readdirSync(dir, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map((entry) => join(dir, entry.name));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []; // it goes while we look
    throw error;
  }
}

const OF_A_NETWORK = /^openlambda-\d+$/;

/** The machine's ends of workers' networks; not those of others. */
function links(): string[] {
  const names = readdirSync('/sys/class/net').filter((name) => OF_A_NETWORK.test(name));
  return names.filter((name) => !networksOfOthers().includes(name));
}

function tables(): string[] {
  const nft = findNft();
  if (nft === null) return [];
  const { stdout } = spawnSync(nft, ['list', 'tables'], { encoding: 'utf8' });
  const names = stdout.split('\n').flatMap((line) => line.split(' ')[2] ?? []);
  return names.filter((name) => OF_A_NETWORK.test(name) && !networksOfOthers().includes(name));
}

function forwarding(): string {
  return readFileSync('/proc/sys/net/ipv4/ip_forward', 'utf8').trim();
}

/** As the claims of workers that are not of these tests have them. */
function networksOfOthers(): string[] {
  const others = claimFiles().filter((path) => !isOurClaim(path));
  return others.map((path) => `openlambda-${basename(path, '.json')}`);
}

/** `12 -> socket:[4711]`, without the descriptor of the listing itself. */
function descriptors(): string[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      return [`${fd} -> ${readlinkSync(`/proc/self/fd/${fd}`)}`];
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw error;
    }
  });
}

function claims(): string[] {
  return claimFiles().filter(isOurClaim);
}

function claimFiles(): string[] {
  if (!existsSync(CLAIMS_DIR)) return [];
  return readdirSync(CLAIMS_DIR)
    .filter((name) => name.endsWith('.json'))
    .map((name) => join(CLAIMS_DIR, name));
}

function isOurClaim(path: string): boolean {
  try {
    return readFileSync(path, 'utf8').includes(TEST_ROOT);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}
