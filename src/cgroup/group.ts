import { closeSync, constants, openSync } from 'node:fs';
import { setImmediate, setTimeout as sleep } from 'node:timers/promises';
import { OlError } from '../errors.ts';
import type { Bounds } from './bounds.ts';
import type { Cgroup, CgroupEntry, CgroupHits, CgroupLimits, CgroupUsage } from './cgroup.ts';
import { attempt, openControl, readPids } from './control-file.ts';
import type { Freezer } from './freezer.ts';
import { killListed, removeDir } from './remove.ts';

/** What a cgroup is made of, on v1 and v2 alike. */
export interface GroupParts {
  readonly name: string;
  readonly bounds: Bounds;
  readonly freezer: Freezer;
  /** Its directory in each hierarchy, the freezer's first. */
  readonly dirs: readonly string[];
  readonly entryKind: CgroupEntry['kind'];
  readonly onDestroy: () => void;
}

/** Most processes have stopped by the first or second look; one that is throttled takes tens of milliseconds. */
const QUICK_LOOKS = 20;
const LOOK_EVERY_MS = 1;
const PAUSE_PATIENCE_MS = 5_000;
const NO_HITS: CgroupHits = { oomKills: 0, pidsRefused: 0 };

/** The bounds and the freezer of one cgroup, put together. */
export class Group implements Cgroup {
  readonly name: string;
  readonly #parts: GroupParts;
  #limits: CgroupLimits | null = null;
  #pausing: Promise<void> | null = null;
  #destroying: Promise<void> | null = null;
  /** What the kernel had counted when it was reset last. */
  #hitsBefore: CgroupHits = NO_HITS;
  /** What was counted when we began to refuse forks ourselves; null while we do not. */
  #hitsAtKill: CgroupHits | null = null;

  constructor(parts: GroupParts) {
    this.name = parts.name;
    this.#parts = parts;
  }

  openEntry(): CgroupEntry {
    const fds = this.#openEntryFds();
    return {
      kind: this.#parts.entryKind,
      fds,
      [Symbol.dispose]: () => {
        for (const fd of fds.splice(0)) closeSync(fd);
      },
    };
  }

  setLimits(limits: CgroupLimits): void {
    if (this.#limits !== null && isSame(this.#limits, limits)) return;
    this.#parts.bounds.set(limits);
    this.#limits = limits;
  }

  pause(): Promise<void> {
    if (this.#pausing !== null) return this.#pausing;
    this.#parts.freezer.freeze();
    const pausing = this.#waitUntilFrozen();
    this.#pausing = pausing;
    return pausing;
  }

  unpause(): void {
    if (this.#pausing === null) return;
    this.#pausing = null;
    this.#parts.freezer.thaw();
  }

  usage(): CgroupUsage {
    return this.#parts.bounds.usage();
  }

  hits(): CgroupHits {
    const { oomKills, pidsRefused } = this.#hitsAtKill ?? this.#parts.bounds.hits();
    return {
      oomKills: oomKills - this.#hitsBefore.oomKills,
      pidsRefused: pidsRefused - this.#hitsBefore.pidsRefused,
    };
  }

  killAll(): void {
    const { freezer, bounds, dirs } = this.#parts;
    const isDone = freezer.killAtOnce();
    if (!isDone) {
      this.#hitsAtKill ??= bounds.hits();
      this.#limits = null;
      bounds.refuseForks();
    }
    // A process that is just getting in may be in one v1 hierarchy and not yet in the freezer's.
    for (const dir of isDone ? dirs.filter((one) => one !== freezer.dir) : dirs) killListed(dir);
    if (freezer.mustThawToKill) freezer.thaw();
  }

  isEmpty(): boolean {
    return this.#parts.dirs.every((dir) => readPids(dir).length === 0);
  }

  async reset(): Promise<void> {
    const { bounds, dirs } = this.#parts;
    if (!this.isEmpty()) {
      throw new OlError('ERR_CGROUP', { action: 'reset', path: dirs.join(', '), errno: 'EBUSY' });
    }
    this.unpause();
    await bounds.release();
    this.#hitsAtKill = null;
    this.#hitsBefore = bounds.hits();
  }

  destroy(): Promise<void> {
    this.#destroying ??= this.#destroy();
    return this.#destroying;
  }

  async #destroy(): Promise<void> {
    const { bounds, freezer, dirs, onDestroy } = this.#parts;
    const kill = () => {
      if (!this.isEmptyOf(dirs)) this.killAll();
    };
    onDestroy();
    for (const dir of dirs) await removeDir(dir, kill);
    bounds.close();
    freezer.close();
  }
}
