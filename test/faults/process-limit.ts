import { mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/**
 * A limit on processes and threads for some processes, and what they start in their own name: a pids cgroup around them is to
 * them what the machine's limit is (EAGAIN of clone).
 */
export class ProcessLimit implements Disposable {
  readonly #dir: string;
  /** Where each process came from. */
  readonly #homes = new Map<number, string>();

  constructor(pids: readonly number[]) {
    for (const pid of pids) this.#homes.set(pid, groupOf(pid));
    const [home] = this.#homes.values();
    if (home === undefined) throw new Error('nothing to limit');
    this.#dir = join(home, `openlambda-faults-${process.pid}`);
    mkdirSync(this.#dir);
    for (const pid of pids) move(pid, this.#dir);
  }

  /** There are more than there may be, also when some of them have ended. */
  reach(): void {
    this.#set('1');
  }

  lift(): void {
    this.#set('max');
  }

  [Symbol.dispose](): void {
    const home = dirname(this.#dir);
    for (const pid of processesIn(this.#dir)) move(pid, this.#homes.get(pid) ?? home);
    rmdirSync(this.#dir);
  }

  #set(limit: string): void {
    writeFileSync(join(this.#dir, 'pids.max'), limit);
  }
}

/** The directory of the group that bounds a process's processes: of the pids hierarchy (v1), or of the only one (v2). */
function groupOf(pid: number): string {
  const lines = readFileSync(`/proc/${pid}/cgroup`, 'utf8').trimEnd().split('\n');
  const of = (controller: string) =>
    lines.map((line) => line.split(':')).find(([, name]) => name === controller)?.[2];
  const v1 = of('pids');
  return v1 === undefined ? join('/sys/fs/cgroup', of('') ?? '') : join('/sys/fs/cgroup/pids', v1);
}

function move(pid: number, dir: string): void {
  writeFileSync(join(dir, 'cgroup.procs'), String(pid));
}

function processesIn(dir: string): number[] {
  return readFileSync(join(dir, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean).map(Number);
}
