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
 * by systemd (`Delegate=yes`), or the top of a container. A login session's is not ours, and its processes are not ours to
 * move; then a group below the root of the tree is made, which root may do.
 */
export function findPlace(tree: TreeV2): PlaceV2 | string {
  // Another worker that was started from the same group has moved us already.
  const own = basename(tree.own) === PROCESSES_GROUP ? dirname(tree.own) : tree.own;
  const isOurs = own !== tree.top && tree.isDelegated(own);
  const parent = isOurs ? own : tree.top;
  const missing = CONTROLLERS.filter((one) => !tree.controllers(parent).includes(one));
  if (missing.length > 0) return `the cgroup v2 tree at ${parent} does not have ${missing.join(', ')}`;
  if (!isOurs && tree.isTopRoot) {
    return {
      parent,
      mustMove: false,
      why: 'below the root of the tree, as our own group is not delegated to us',
    };
  }
  const isEnabled = CONTROLLERS.every((one) => tree.enabled(parent).includes(one));
  const why = isOurs
    ? 'in our own group, which is delegated to us'
    : "below the top of this container's tree";
  return { parent, mustMove: !isEnabled, why };
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
