import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { hasXattr } from '../linux/xattr.ts';
import { type Hierarchy, isWritable } from './tree.ts';

export const CONTROLLERS = ['memory', 'pids', 'cpu'] as const;

/** Where the processes of a group go that has to be empty: a group on v2 has either processes or controllers for its children. */
export const PROCESSES_GROUP = 'openlambda-processes';

/** The group that the worker's own group is made in. */
export interface PlaceV2 {
  readonly parent: string;
  /** Its processes must move to PROCESSES_GROUP first. */
  readonly mustMove: boolean;
  readonly why: string;
}

/** What there is to know of a v2 tree, as this process sees it. */
export interface TreeV2 {
  readonly top: string;
  readonly own: string;
  /** The root of all: the only group that may have both processes and controllers for its children. */
  readonly isTopRoot: boolean;
  /** Whoever manages the groups of this machine has left this one, and what is below, to its processes. */
  isDelegated(dir: string): boolean;
  /** The controllers that a group's children can have. */
  controllers(dir: string): readonly string[];
  /** The controllers that a group's children have. */
  enabled(dir: string): readonly string[];
}

/**
 * Where the sandboxes' groups can be, or why nowhere. Our own group is the place where it is ours alone: delegated to us
 * by systemd (`Delegate=yes`). A login session's is not, and its processes are not ours to move; then the place is the top
 * of the tree. At the root of all, root may make groups; at the top of a container, everything is ours.
 */
export function findPlace(tree: TreeV2): PlaceV2 | string {
  // Another worker that was started from the same group has moved us already.
  const own = basename(tree.own) === PROCESSES_GROUP ? dirname(tree.own) : tree.own;
  if (own !== tree.top && tree.isDelegated(own) && missingIn(tree, own).length === 0) {
    return {
      parent: own,
      mustMove: !isEnabled(tree, own),
      why: 'in our own group, which is delegated to us',
    };
  }
  const { top, isTopRoot } = tree;
  const missing = missingIn(tree, top);
  if (missing.length > 0) return `the cgroup v2 tree at ${top} does not have ${missing.join(', ')}`;
  if (isTopRoot) return { parent: top, mustMove: false, why: 'as our own group is not delegated to us' };
  return { parent: top, mustMove: !isEnabled(tree, top), why: 'at the top of what this container sees' };
}

function missingIn(tree: TreeV2, dir: string): string[] {
  return CONTROLLERS.filter((one) => !tree.controllers(dir).includes(one));
}

/** Where the children have controllers there are no processes, and the other way round. */
function isEnabled(tree: TreeV2, dir: string): boolean {
  return CONTROLLERS.every((one) => tree.enabled(dir).includes(one));
}

/** Looks at the mounted v2 tree. */
export function lookAt({ top, own }: Hierarchy): TreeV2 {
  const words = (dir: string, file: string) => readFileSync(join(dir, file), 'utf8').trim().split(' ');
  return {
    top,
    own,
    isTopRoot: !existsSync(join(top, 'cgroup.events')),
    isDelegated: (dir) =>
      isWritable(dir) && ['trusted.delegate', 'user.delegate'].some((name) => hasXattr(dir, name, '1')),
    controllers: (dir) => words(dir, 'cgroup.controllers'),
    enabled: (dir) => words(dir, 'cgroup.subtree_control'),
  };
}
