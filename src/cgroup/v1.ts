import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { BoundsV1 } from './bounds-v1.ts';
import { writeControl } from './control-file.ts';
import { Driver, makeOwnDir } from './driver.ts';
import { FreezerV1 } from './freezer-v1.ts';
import { entryFileV2, FreezerV2 } from './freezer-v2.ts';
import { WholeGroupV1 } from './memory-v1.ts';
import { type Hierarchy, isWritable } from './tree.ts';

/** The worker's own group, or one sandbox's, in each hierarchy. Two of them may be the same directory. */
interface PlacesV1 {
  readonly freezer: string;
  readonly pids: string;
  readonly memory: string;
  readonly cpu: string;
}

export interface PlanV1 {
  /** The groups that this process is in. */
  readonly parents: PlacesV1;
  /** Whose freezer it is. */
  readonly freezerVersion: 1 | 2;
  readonly why: string;
}

const BOUNDING = ['pids', 'memory', 'cpu'] as const;
/** All sandboxes together would count as one process to the scheduler; as many as there are cores is fair. */
const SHARES_OF_ONE_PROCESS = 1024;

/**
 * How v1 can be used with what is mounted, or what is missing for it. Where a v2 tree is there as well, its freezer is
 * taken: it is several times as fast as v1's, and what it has paused still dies when it is killed.
 */
export function planV1(hierarchies: readonly Hierarchy[], freezerVersion?: 1 | 2): PlanV1 | string {
  const own = (controller: string) =>
    hierarchies.find((one) => one.controllers.includes(controller) && isWritable(one.own))?.own;
  const v2 = hierarchies.find((one) => one.version === 2 && hasFreezer(one))?.own;
  const [pids, memory, cpu] = BOUNDING.map(own);
  const freezer = freezerVersion === 1 ? own('freezer') : freezerVersion === 2 ? v2 : (v2 ?? own('freezer'));
  if (pids === undefined || memory === undefined || cpu === undefined || freezer === undefined) {
    const missing = BOUNDING.filter((controller) => own(controller) === undefined);
    const all = freezer === undefined ? [...missing, 'freezer'] : missing;
    return `there is no writable cgroup v1 hierarchy with ${all.join(', ')}`;
  }
  const isV2 = freezer === v2;
  const by = isV2 ? 'the v2 tree' : "v1's freezer";
  const why = `v1 has pids, memory and cpu (at ${pids}, ${memory} and ${cpu}); pausing is by ${by} (at ${freezer})`;
  return { parents: { freezer, pids, memory, cpu }, freezerVersion: isV2 ? 2 : 1, why };
}

/** Every group but the topmost one shows its freezer; the topmost one can't be frozen. */
function hasFreezer({ own, top }: Hierarchy): boolean {
  return isWritable(own) && (own === top || existsSync(join(own, 'cgroup.freeze')));
}

/** Makes the worker's own groups below those that it is in; `group` is their name. */
export function openV1({ parents, freezerVersion, why }: PlanV1, group: string): Driver {
  const places = placesBelow(parents, group);
  const { freezer, memory, cpu } = places;
  const dirs = dirsOf(places);
  for (const dir of dirs) makeOwnDir(dir);
  writeControl(join(cpu, 'cpu.shares'), String(SHARES_OF_ONE_PROCESS * availableParallelism()));
  return new Driver({
    kind: 'v1',
    why,
    dirs,
    whole: new WholeGroupV1(memory, freezerVersion === 2 ? freezer : null),
    entryKind: freezerVersion === 1 ? 'write-self' : 'clone-into',
    open: (name) => openParts(placesBelow(places, name), freezerVersion),
  });
}

function openParts(places: PlacesV1, freezerVersion: 1 | 2) {
  const freezer = freezerVersion === 1 ? new FreezerV1(places.freezer) : new FreezerV2(places.freezer);
  const entryFiles = dirsOf(places).map((dir) =>
    freezerVersion === 2 && dir === places.freezer ? entryFileV2(dir) : entryFileV1(dir),
  );
  return { bounds: new BoundsV1(places), freezer, entryFiles };
}

/**
 * What a process of one thread writes to in order to get in. To `cgroup.procs` it could write as well, but that has to hold up
 * all forks and exits of the machine, and waits for those that are under way, with the lock that every change of a cgroup
 * needs: beside a fork bomb, for a tenth of a second and more. A thread that moves itself alone holds up nobody (Linux 5.6).
 */
function entryFileV1(dir: string): string {
  return join(dir, 'tasks');
}

/** The freezer's first. */
function dirsOf({ freezer, pids, memory, cpu }: PlacesV1): string[] {
  return [...new Set([freezer, pids, memory, cpu])];
}

function placesBelow({ freezer, pids, memory, cpu }: PlacesV1, name: string): PlacesV1 {
  return {
    freezer: join(freezer, name),
    pids: join(pids, name),
    memory: join(memory, name),
    cpu: join(cpu, name),
  };
}
