import { ifThere, readKey } from '../../cgroup/control-file.ts';
import type { Hierarchy } from '../../cgroup/tree.ts';
import { countingGroup } from './cgroup-of.ts';

/** What the kernel counts of refused forks for a container, whichever cgroup the daemon has put it in. */
export class ContainerForks {
  readonly #path: string;

  /** Of the container that is in these. Null where its cgroup can't be seen from here. */
  static open(groups: readonly Hierarchy[]): ContainerForks | null {
    const group = countingGroup(groups, 'pids');
    return group === null ? null : new ContainerForks(group.own);
  }

  private constructor(dir: string) {
    this.#path = `${dir}/pids.events`;
  }

  /** 0 where it has ended. */
  refused(): number {
    let refused = 0;
    ifThere(() => {
      refused = readKey(this.#path, 'max');
    });
    return refused;
  }
}
