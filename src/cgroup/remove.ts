import { readdirSync } from 'node:fs';
import { rmdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { OlError } from '../errors.ts';
import { cgroupError, errnoOf, ifThere, readPids, writeControl } from './control-file.ts';

/** A killed process is gone within milliseconds; one with gigabytes to give back takes longer. */
const PATIENCE_MS = 10_000;
const FIRST_WAIT_MS = 1;
const LONGEST_WAIT_MS = 50;

/** Every worker's own group has a name of this form; nothing else is ever removed. */
const OWN_GROUP = /^openlambda-[\w.-]+$/;

/** Sends SIGKILL to each process in a cgroup's directory. */
export function killListed(dir: string): void {
  for (const pid of readPids(dir)) kill(pid);
}

function kill(pid: number): void {
  try {
    // 0 stands for a process of another pid namespace, and would mean our own group of processes here.
    if (pid > 0) process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/**
 * Removes a cgroup's directory, which may be gone already, and waits for what keeps it busy; `again` is called before each
 * new try. Throws ERR_CGROUP_BUSY.
 */
export async function removeDir(dir: string, again: () => void = () => {}): Promise<void> {
  const end = performance.now() + PATIENCE_MS;
  for (let waitMs = FIRST_WAIT_MS; !(await tryRemove(dir)); waitMs = Math.min(2 * waitMs, LONGEST_WAIT_MS)) {
    if (performance.now() > end) {
      throw new OlError('ERR_CGROUP_BUSY', {
        path: dir,
        waitedMs: PATIENCE_MS,
        pids: readPids(dir).join(' '),
      });
    }
    await sleep(waitMs);
    again();
  }
}

/** False where something is still in it. It waits for whatever else is done to cgroups, which may take long. */
async function tryRemove(dir: string): Promise<boolean> {
  try {
    await rmdir(dir);
    return true;
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 'ENOENT') return true;
    if (errno === 'EBUSY') return false;
    throw cgroupError('rmdir', dir, error);
  }
}

/**
 * Ends all that is in a worker's own groups, and removes them with all below. For workers that were killed: `dirs` are
 * what their driver named; those that are gone already do not matter.
 */
export async function removeGroups(dirs: readonly string[]): Promise<void> {
  const ours = dirs.filter((dir) => OWN_GROUP.test(basename(dir)));
  await removeAll(ours);
}

/** Removes the groups of a worker that was killed, as its claim names them. */
export async function removeGroupsOf({
  cgroupDirs,
}: {
  readonly cgroupDirs: readonly string[];
}): Promise<void> {
  await removeGroups(cgroupDirs);
}

/** The same, but these directories themselves stay. */
export async function removeBelow(dirs: readonly string[]): Promise<void> {
  await removeAll(dirs.flatMap(childrenOf));
}

/** A process is in one directory of each v1 hierarchy: all get the order before the first one is waited for. */
async function removeAll(roots: readonly string[]): Promise<void> {
  const all = roots.flatMap(deepestFirst);
  for (const dir of all) endAll(dir);
  for (const dir of all) await removeDir(dir, () => endAll(dir));
}

function deepestFirst(dir: string): string[] {
  return [...childrenOf(dir).flatMap(deepestFirst), dir];
}

/** For a directory of any kind of hierarchy. Thaws last: what a v1 freezer lets go must not get to run. */
function endAll(dir: string): void {
  ifThere(() => writeControl(`${dir}/cgroup.kill`, '1'));
  ifThere(() => writeControl(`${dir}/pids.max`, '0'));
  ifThere(() => killListed(dir));
  ifThere(() => writeControl(`${dir}/freezer.state`, 'THAWED'));
}

function childrenOf(dir: string): string[] {
  try {
    const entries = readdirSync(dir, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map((entry) => join(dir, entry.name));
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw cgroupError('readdir', dir, error);
  }
}
