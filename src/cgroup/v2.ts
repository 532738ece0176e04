import { mkdirSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { BoundsV2 } from './bounds-v2.ts';
import { attempt, errnoOf, readPids, writeControl } from './control-file.ts';
import { Driver, makeOwnDir } from './driver.ts';
import { entryFileV2, FreezerV2 } from './freezer-v2.ts';
import { WholeGroupV2 } from './memory-v2.ts';
import { type Hierarchy, isWritable } from './tree.ts';
import { CONTROLLERS, findPlace, lookAt, type PlaceV2, PROCESSES_GROUP } from './v2-place.ts';

/** All sandboxes together would count as one process to the scheduler; as many as there are cores is fair. */
const WEIGHT_OF_ONE_PROCESS = 100;
const MAX_WEIGHT = 10_000;
/** Processes of a group that is being emptied may fork meanwhile. */
const MAX_ROUNDS = 10;

/** How v2 can be used with what is mounted, or what is missing for it. */
export function planV2(hierarchies: readonly Hierarchy[]): PlaceV2 | string {
  const mounted = hierarchies.filter((one) => one.version === 2);
  const tree = mounted.find((one) => isWritable(one.top)) ?? mounted[0];
  if (tree === undefined) return 'no cgroup v2 tree is mounted';
  const place = findPlace(lookAt(tree));
  if (typeof place === 'string' || isWritable(place.parent)) return place;
  return `the cgroup v2 tree at ${place.parent} is read-only`;
}

/** Makes the worker's own group, with controllers for the sandboxes' groups in it. */
export function openV2({ parent, mustMove, why }: PlaceV2, group: string): Driver {
  if (mustMove) moveProcesses(parent);
  enableControllers(parent);
  const own = join(parent, group);
  makeOwnDir(own);
  enableControllers(own);
  const weight = Math.min(WEIGHT_OF_ONE_PROCESS * availableParallelism(), MAX_WEIGHT);
  writeControl(join(own, 'cpu.weight'), String(weight));
  return new Driver({
    kind: 'v2',
    why: `the cgroup v2 tree has memory, pids and cpu; sandboxes are in ${own}, ${why}`,
    dirs: [own],
    whole: new WholeGroupV2(own),
    entryKind: 'clone-into',
    open: (name) => openParts(join(own, name)),
  });
}

function openParts(dir: string) {
  return { bounds: new BoundsV2(dir), freezer: new FreezerV2(dir), entryFiles: [entryFileV2(dir)] };
}

function enableControllers(dir: string): void {
  writeControl(join(dir, 'cgroup.subtree_control'), CONTROLLERS.map((one) => `+${one}`).join(' '));
}

/** Moves all processes of a group, this one among them, to a leaf of their own. */
function moveProcesses(parent: string): void {
  const leaf = join(parent, PROCESSES_GROUP);
  attempt('mkdir', leaf, () => mkdirSync(leaf, { recursive: true }));
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const pids = readPids(parent);
    if (pids.length === 0) return;
    for (const pid of pids) moveProcess(leaf, pid);
  }
}

function moveProcess(leaf: string, pid: number): void {
  try {
    writeControl(join(leaf, 'cgroup.procs'), String(pid));
  } catch (error) {
    if (errnoOf(error) !== 'ESRCH') throw error;
  }
}
