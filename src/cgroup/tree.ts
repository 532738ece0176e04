import { accessSync, constants, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';

/** A cgroup hierarchy that is mounted here. */
export interface Hierarchy {
  readonly version: 1 | 2;
  /** The controllers of a v1 hierarchy; empty for v2, whose files tell. */
  readonly controllers: readonly string[];
  /** The topmost group that can be seen. */
  readonly top: string;
  /** The directory of the group that this process is in. */
  readonly own: string;
}

/** The hierarchies in which this process's own group can be reached. */
export function readHierarchies(): Hierarchy[] {
  return parseHierarchies(
    readFileSync('/proc/self/mountinfo', 'utf8'),
    readFileSync('/proc/self/cgroup', 'utf8'),
  );
}

/** From the texts of /proc/self/mountinfo and /proc/self/cgroup. */
export function parseHierarchies(mountinfo: string, membership: string): Hierarchy[] {
  const memberships = membership.split('\n').filter(Boolean).map(parseMembership);
  return mountinfo
    .split('\n')
    .filter(Boolean)
    .flatMap((line) => {
      const mount = parseMount(line);
      const member = memberships.find((one) => mount !== null && isIn(one, mount));
      const own = mount === null || member === undefined ? null : placeIn(mount, member.path);
      if (mount === null || own === null) return [];
      return [{ version: mount.version, controllers: member?.controllers ?? [], top: mount.point, own }];
    });
}

interface Membership {
  /** Empty for v2. */
  readonly controllers: readonly string[];
  readonly path: string;
}

/** `4:memory:/a/b`; the path may hold colons. */
function parseMembership(line: string): Membership {
  const [, controllers = '', ...path] = line.split(':');
  return { controllers: controllers === '' ? [] : controllers.split(','), path: path.join(':') };
}

interface Mount {
  readonly version: 1 | 2;
  readonly root: string;
  readonly point: string;
  readonly options: readonly string[];
}

/** `35 31 0:32 /root /mount/point rw,relatime shared:1 - cgroup source rw,memory`; null where it is not of cgroups. */
function parseMount(line: string): Mount | null {
  const [left = '', right = ''] = line.split(' - ');
  const [, , , root = '', point = ''] = left.split(' ').map(decodeOctal);
  const [kind, , options = ''] = right.split(' ');
  if (kind === 'cgroup2') return { version: 2, root, point, options: [] };
  return kind === 'cgroup' ? { version: 1, root, point, options: options.split(',') } : null;
}

/** Spaces and the like are octal in mountinfo. */
function decodeOctal(text: string): string {
  return text.replace(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}

function isIn({ controllers }: Membership, mount: Mount): boolean {
  if (mount.version === 2) return controllers.length === 0;
  return controllers.length > 0 && controllers.every((one) => mount.options.includes(one));
}

/** The directory of a group, or null where the mount does not show it: a container may see another part of the tree. */
function placeIn({ root, point }: Mount, path: string): string | null {
  const inside = relative(root, path);
  return inside.startsWith('..') ? null : join(point, inside);
}

/** False for a directory that can't be written to, as in most containers, or is not there. */
export function isWritable(dir: string): boolean {
  try {
    accessSync(dir, constants.W_OK);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EROFS' || code === 'EACCES' || code === 'ENOENT') return false;
    throw error;
  }
}
