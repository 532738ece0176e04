import { closeSync } from 'node:fs';
import { OlError } from '../errors.ts';
import type { Bounds } from './bounds.ts';
import type { Cgroup, CgroupEntry, CgroupHits, CgroupLimits } from './cgroup.ts';
import { ifThere, openControl } from './control-file.ts';
import { type Freezer, untilFrozen } from './freezer.ts';
import { HitCounter } from './hit-counter.ts';
import { killListed, removeDir } from './remove.ts';

/** What a cgroup is made of, on v1 and v2 alike. */
export interface GroupParts {
  readonly name: string;
  readonly bounds: Bounds;
  readonly freezer: Freezer;
  /** Its directory in each hierarchy, the freezer's first. */
  readonly dirs: readonly string[];
  readonly entryKind: CgroupEntry['kind'];
  /** For each directory, the file that a process writes to in order to get in. */
  readonly entryFiles: readonly string[];
  readonly onDestroyed: () => void;
}

/**
 * What may stay charged to a cgroup that is used again: giving back less is not worth its time. The kernel then tries again and again
 * to take back what can't be, for up to 25 ms of one core, in which nobody else gets it.
 */
const KEPT_MEMORY_KB = 1024;
const NO_LIMITS: CgroupLimits = { memoryMb: 0, pids: 0, cpuPercent: 0 };

/** The bounds and the freezer of one cgroup, put together. */
export class Group implements Cgroup {
  readonly name: string;
  readonly #parts: GroupParts;
  #limits: CgroupLimits = NO_LIMITS;
  /** Settled by the time the cgroup is frozen; null while it runs. */
  #pausing: Promise<void> | null = null;
  #destroying: Promise<void> | null = null;
  readonly #hits: HitCounter;
  /** Since Linux 6.14 (and what was ported back from it), a clone into a group that `cgroup.kill` has ended once is killed at once. */
  #isClosedToClones = false;

  constructor(parts: GroupParts) {
    this.name = parts.name;
    this.#parts = parts;
    this.#hits = new HitCounter(parts.bounds);
  }

  openEntry(kind = this.#parts.entryKind): CgroupEntry {
    const { freezer, entryFiles } = this.#parts;
    return kind === 'write-self' || this.#isClosedToClones
      ? openEntry('write-self', null, entryFiles)
      : openEntry('clone-into', freezer.dir, entryFiles.slice(1));
  }

  setLimits(limits: CgroupLimits): void {
    const { memoryMb, pids, cpuPercent } = this.#limits;
    if (limits.memoryMb === memoryMb && limits.pids === pids && limits.cpuPercent === cpuPercent) return;
    this.#parts.bounds.set(limits);
    this.#limits = limits;
  }

  pause(): Promise<void> {
    if (this.#pausing !== null) return this.#pausing;
    const { freezer } = this.#parts;
    freezer.freeze();
    const isOver = () => this.#pausing !== pausing;
    const pausing: Promise<void> = untilFrozen(freezer, isOver);
    this.#pausing = pausing;
    return pausing;
  }

  unpause(): void {
    if (this.#pausing === null) return;
    this.#pausing = null;
    this.#parts.freezer.thaw();
  }

  memoryKb(): number {
    return this.#parts.bounds.memoryKb();
  }

  hits(): CgroupHits {
    return this.#hits.read();
  }

  forksRefused(): number {
    return this.#hits.forksRefused();
  }

  killAll(): void {
    const { freezer, bounds, dirs } = this.#parts;
    const isDone = freezer.killAtOnce();
    if (isDone) {
      this.#isClosedToClones = true;
    } else {
      this.#hits.hold();
      bounds.refuseForks();
    }
    // A process that is just getting in may be in one v1 hierarchy and not yet in the freezer's.
    for (const dir of dirs) if (!isDone || dir !== freezer.dir) killListed(dir);
    if (freezer.mustThawToKill) this.unpause();
  }

  /** A process is in the freezer's group first, and leaves all of them in one step. */
  isEmpty(): boolean {
    return this.#parts.freezer.isEmpty();
  }

  async reset(): Promise<void> {
    const { bounds, dirs } = this.#parts;
    if (!this.isEmpty()) {
      throw new OlError('ERR_CGROUP', { action: 'reset', path: dirs.join(', '), errno: 'EBUSY' });
    }
    this.unpause();
    if (this.#hits.isHeld) bounds.set(this.#limits);
    const hasBeenFull = this.#hits.read().memoryRefused > 0;
    if (bounds.memoryKb() > KEPT_MEMORY_KB) await bounds.release();
    else if (hasBeenFull) bounds.forgetPeak();
    // With nothing in it the counts stay as they were just read; but a full one may be told so until its peak is forgotten.
    if (hasBeenFull) this.#hits.read();
    this.#hits.restart();
  }

  destroy(): Promise<void> {
    this.#destroying ??= this.#destroy();
    return this.#destroying;
  }

  async #destroy(): Promise<void> {
    const { freezer, dirs, onDestroyed } = this.#parts;
    // Kill first: what is paused must not get to run again.
    if (!this.isEmpty()) this.killAll();
    // Someone else may have removed it, by its directory.
    ifThere(() => this.unpause());
    for (const dir of dirs) await removeDir(dir, () => killListed(dir));
    freezer.close();
    onDestroyed();
  }
}

function openEntry(kind: CgroupEntry['kind'], into: string | null, files: readonly string[]): CgroupEntry {
  const fds: number[] = [];
  const dispose = () => {
    for (const fd of fds.splice(0)) closeSync(fd);
  };
  try {
    if (into !== null) fds.push(openControl(into, 'read'));
    for (const path of files) fds.push(openControl(path, 'write'));
  } catch (error) {
    dispose();
    throw error;
  }
  return { kind, fds, [Symbol.dispose]: dispose };
}
