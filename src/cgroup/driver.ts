import { mkdirSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Cgroup, CgroupDriver, CgroupEntry, WholeGroup } from './cgroup.ts';
import { attempt } from './control-file.ts';
import { Group, type GroupParts } from './group.ts';
import { removeBelow, removeGroups } from './remove.ts';

/** What differs between v1 and v2. */
export interface DriverParts {
  readonly kind: CgroupDriver['kind'];
  readonly why: string;
  /** The worker's own group in each hierarchy. */
  readonly dirs: readonly string[];
  /** The one of them that bounds memory. */
  readonly whole: WholeGroup & { close(): void };
  readonly entryKind: CgroupEntry['kind'];
  /** What a cgroup is made of whose directories have been made. */
  readonly open: (name: string) => Pick<GroupParts, 'bounds' | 'freezer' | 'entryFiles'>;
}

export class Driver implements CgroupDriver {
  readonly kind: CgroupDriver['kind'];
  readonly why: string;
  readonly dirs: readonly string[];
  readonly whole: WholeGroup;
  readonly #parts: DriverParts;
  readonly #groups = new Set<Group>();

  constructor(parts: DriverParts) {
    this.kind = parts.kind;
    this.why = parts.why;
    this.dirs = parts.dirs;
    this.whole = parts.whole;
    this.#parts = parts;
  }

  create(name: string): Cgroup {
    using undo = new DisposableStack();
    const dirs = this.dirs.map((dir) => join(dir, name));
    for (const dir of dirs) {
      attempt('mkdir', dir, () => mkdirSync(dir));
      undo.defer(() => rmdirSync(dir));
    }
    const { entryKind, open } = this.#parts;
    const onDestroyed = () => this.#groups.delete(group);
    const group: Group = new Group({ name, dirs, entryKind, onDestroyed, ...open(name) });
    this.#groups.add(group);
    undo.move();
    return group;
  }

  async removeLeftovers(): Promise<void> {
    await removeBelow(this.dirs);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#groups].map((group) => group.destroy()));
    this.#parts.whole.close();
    await removeGroups(this.dirs);
  }
}

/** Makes a worker's own group, where no earlier worker has left it. */
export function makeOwnDir(dir: string): void {
  attempt('mkdir', dir, () => mkdirSync(dir, { recursive: true }));
}
