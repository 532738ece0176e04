import type { Log } from '../../telemetry/log.ts';
import { NOT_WATCHED, type Watched } from '../watched.ts';
import { ScratchQuota } from './scratch-quota.ts';
import { type ScratchLimits, scratchLimits } from './scratch-usage.ts';
import { ScratchWatch, type Watchable } from './scratch-watch.ts';

export interface ScratchBoundOptions {
  /** A directory on the file system of the scratch directories. */
  readonly dir: string;
  readonly maxMb: number;
  readonly maxFiles: number;
  readonly uidBase: number;
  readonly uidCount: number;
  readonly log: Log;
}

/** What bounds scratch space: a quota of the kernel where the file system has one, else we look. */
export class ScratchBound {
  readonly #quota: ScratchQuota | null;
  readonly #watch: ScratchWatch | null;

  constructor({ dir, maxMb, maxFiles, uidBase, uidCount, log }: ScratchBoundOptions) {
    const limits = scratchLimits(maxMb, maxFiles);
    this.#quota = ScratchQuota.open({ dir, limits, uidBase, uidCount });
    this.#watch = this.#quota === null ? new ScratchWatch({ limits, log }) : null;
    const by =
      this.#quota === null
        ? 'looking at it, as its file system enforces no quotas'
        : `quotas by ${this.#quota.kind}`;
    log.info({ by, maxMb, maxFiles, dir }, 'scratch space is bounded');
  }

  /** Call it for each scratch directory and its sandbox's user, before the sandbox can write there. */
  hold(dir: string, uid: number): void {
    this.#quota?.hold(dir, uid);
  }

  /** Other bounds for one that is held, until it is lifted; false where the kernel sets none. */
  widen(uid: number, limits: ScratchLimits): boolean {
    this.#quota?.widen(uid, limits);
    return this.#quota !== null;
  }

  /** The directory is gone, and the uid about to be another's. */
  lift(uid: number): void {
    this.#quota?.lift(uid);
  }

  /** From when a sandbox runs its function's code. */
  watch(sandbox: Watchable): Watched {
    return this.#watch?.add(sandbox) ?? NOT_WATCHED;
  }

  /** When all sandboxes are gone. Idempotent. */
  close(): void {
    this.#quota?.close();
  }
}
