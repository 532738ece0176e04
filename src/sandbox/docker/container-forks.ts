import { ifThere, readKey } from '../../cgroup/control-file.ts';
import { cgroupsOf } from './cgroup-of.ts';

/** What the kernel counts of refused forks for a container, whichever cgroup the daemon has put it in. */
export class ContainerForks {
  readonly #path: string;

  /** Of the container whose first process is `pid`. Null where its cgroup can't be seen from here. */
  static open(pid: number): ContainerForks | null {
    const found = cgroupsOf(pid);
    const own =
      found.find(({ controllers }) => controllers.includes('pids')) ??
      found.find(({ version }) => version === 2);
    return own === undefined ? null : new ContainerForks(own.own);
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
