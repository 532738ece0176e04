import { lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { ClusterPaths } from '../../src/cluster/paths.ts';
import { SOCKET } from '../../src/sandbox/scratch/scratch-dir.ts';
import { mounts } from '../helpers/leftovers.ts';
import { SLOWNESS } from '../helpers/poll.ts';
import { type ProcessInfo, treeOf } from '../helpers/processes.ts';

/** How much a worker holds of what a machine has, with all that hangs on it. */
export interface Holdings {
  readonly processes: number;
  readonly descriptors: number;
  readonly namespaces: number;
  readonly cgroups: number;
  /** Of this machine, not of a namespace. */
  readonly mounts: number;
  /** Files and directories of the worker, and those of sandboxes in the places where everybody may write. */
  readonly files: readonly string[];
}

const COUNTED = ['processes', 'descriptors', 'namespaces', 'cgroups', 'mounts'] as const;
const KINDS = ['mnt', 'pid', 'net', 'ipc', 'uts', 'user'];
const CGROUP_ROOT = '/sys/fs/cgroup';
const EVERYBODY_WRITES = ['/tmp', '/var/tmp', '/dev/shm', '/run'];
const FIRST_SANDBOX_UID = 0x70000000;
const PATIENCE_MS = 20_000 * SLOWNESS;

/** `tmp` is where the worker keeps temporary files, where that is a place of its own. */
export function holdingsOf(pid: number, cluster: ClusterPaths, tmp: string | null = null): Holdings {
  const tree = treeOf(pid);
  const namespaces = tree.flatMap((one) =>
    kindsOf(one, tree).map((kind) => linkOf(`/proc/${one.pid}/ns/${kind}`)),
  );
  return {
    processes: tree.length,
    descriptors: namesIn(`/proc/${pid}/fd`).length,
    namespaces: new Set(namespaces).size,
    cgroups: cgroupsOf(pid),
    mounts: mounts().length,
    files: [cluster.workers, ...(tmp === null ? [] : [tmp])]
      .flatMap(filesBelow)
      .concat(EVERYBODY_WRITES.flatMap(filesOfSandboxes)),
  };
}

/** The root zygote stays in the network of whichever sandbox it has forked last. */
function kindsOf({ parent }: ProcessInfo, tree: readonly ProcessInfo[]): readonly string[] {
  const isRootZygote = tree.some(({ pid, command }) => pid === parent && command.includes('launch.py'));
  return isRootZygote ? KINDS.filter((kind) => kind !== 'net') : KINDS;
}

/** Waits until nothing is more than it was; fails with what is. */
export async function untilNoMore(before: Holdings, now: () => Holdings): Promise<void> {
  const end = performance.now() + PATIENCE_MS;
  for (;;) {
    const more = increases(before, now());
    if (more.length === 0) return;
    if (performance.now() > end)
      throw new Error(`after the case there is more than before: ${more.join(', ')}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function increases(before: Holdings, after: Holdings): string[] {
  const more = COUNTED.filter((key) => after[key] > before[key]).map(
    (key) => `${after[key]} ${key}, not ${before[key]}`,
  );
  return after.files.length > before.files.length ? [...more, newFiles(before.files, after.files)] : more;
}

function newFiles(before: readonly string[], after: readonly string[]): string {
  const made = after.filter((path) => !before.includes(path)).join(', ');
  return `${after.length} files, not ${before.length}: with ${made}`;
}

/** The groups below those of a worker, in every hierarchy. Each is called after the slot of its claim. */
function cgroupsOf(pid: number): number {
  const slot = namesIn('/run/openlambda/workers')
    .find((name) => claimIsOf(name, pid))
    ?.replace('.json', '');
  if (slot === undefined) return 0;
  return groupsNamed(CGROUP_ROOT, `openlambda-${slot}`).reduce((sum, dir) => sum + countGroups(dir), 0);
}

function claimIsOf(name: string, pid: number): boolean {
  if (!name.endsWith('.json')) return false;
  return JSON.parse(readFileSync(join('/run/openlambda/workers', name), 'utf8')).pid === pid;
}

function groupsNamed(dir: string, name: string): string[] {
  return directoriesIn(dir).flatMap((path) => (path.endsWith(`/${name}`) ? [path] : groupsNamed(path, name)));
}

function countGroups(dir: string): number {
  return directoriesIn(dir).reduce((sum, inner) => sum + countGroups(inner), 1);
}

/** Scratch space that waits for the next spare: there is no more of it than there are spares (`ScratchPool`), now and then none. */
function isFreeScratch(dir: string): boolean {
  return basename(dirname(dir)) === 'spares' && !namesIn(dir).includes(SOCKET);
}

/** Code that is used again is compiled some time later, by whichever sandbox is idle: that is no harm. */
const COMPILED = /^__pycache__$|\.pyc$/;

function filesBelow(dir: string): string[] {
  const own = namesIn(dir)
    .filter((name) => !COMPILED.test(name))
    .map((name) => join(dir, name))
    .filter((path) => !isFreeScratch(path));
  const inner = directoriesIn(dir).filter((path) => own.includes(path));
  return [...own, ...inner.flatMap(filesBelow)];
}

/** Others of this machine have files there, too. */
function filesOfSandboxes(dir: string): string[] {
  const ownerOf = (name: string) => ifThere(() => lstatSync(join(dir, name)).uid, 0);
  return namesIn(dir)
    .filter((name) => ownerOf(name) >= FIRST_SANDBOX_UID)
    .map((name) => join(dir, name));
}

function directoriesIn(dir: string): string[] {
  return ifThere(() => readdirSync(dir, { withFileTypes: true }), [])
    .filter((entry) => entry.isDirectory())
    .map((entry) => join(dir, entry.name));
}

function namesIn(dir: string): string[] {
  return ifThere(() => readdirSync(dir), []);
}

function linkOf(path: string): string {
  return ifThere(() => readlinkSync(path), '');
}

/** What goes while we look counts as gone. */
function ifThere<T>(read: () => T, otherwise: T): T {
  try {
    return read();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ESRCH' || code === 'EACCES') return otherwise;
    throw error;
  }
}
