import { closeSync, openSync } from 'node:fs';
import { enforcedQuotas, nextLimited, type QuotaKind, setProject, setQuota } from '../../linux/quota.ts';
import type { ScratchLimits } from './scratch-usage.ts';

const NONE: ScratchLimits = { bytes: 0, files: 0 };

export interface ScratchQuotaOptions {
  /** A directory on the file system of the scratch directories. */
  readonly dir: string;
  readonly limits: ScratchLimits;
  /** The host uids of sandboxes: the first one, and how many there are. Projects have the same numbers. */
  readonly uidBase: number;
  readonly uidCount: number;
}

/**
 * Scratch space bounded by a quota of the kernel. By user, where the file system has such quotas: each sandbox has a uid
 * that nobody else has. Else by project: the directory is made one, with the uid as its number.
 */
export class ScratchQuota {
  readonly kind: QuotaKind;
  readonly #options: ScratchQuotaOptions;
  readonly #fd: number;
  #isClosed = false;

  /** Null where the file system enforces neither. Takes back what a worker that was killed has left. */
  static open(options: ScratchQuotaOptions): ScratchQuota | null {
    const fd = openSync(options.dir, 'r');
    try {
      const [kind] = enforcedQuotas(fd);
      if (kind !== undefined) return new ScratchQuota(kind, fd, options);
    } catch (error) {
      closeSync(fd);
      throw error;
    }
    closeSync(fd);
    return null;
  }

  private constructor(kind: QuotaKind, fd: number, options: ScratchQuotaOptions) {
    this.kind = kind;
    this.#fd = fd;
    this.#options = options;
    this.#liftAll();
  }

  /** Bounds what the sandbox whose user is `uid` writes in its scratch directory, before it can write. */
  hold(dir: string, uid: number): void {
    if (this.kind === 'project') setProject(dir, uid);
    setQuota(this.#fd, this.kind, uid, this.#options.limits);
  }

  widen(uid: number, limits: ScratchLimits): void {
    setQuota(this.#fd, this.kind, uid, limits);
  }

  /** The directory is gone, and the uid about to be another's. Does nothing once all are lifted. */
  lift(uid: number): void {
    if (this.#isClosed) return;
    setQuota(this.#fd, this.kind, uid, NONE);
  }

  /** When all sandboxes are gone. Idempotent. */
  close(): void {
    if (this.#isClosed) return;
    this.#liftAll();
    this.#isClosed = true;
    closeSync(this.#fd);
  }

  #liftAll(): void {
    const { uidBase, uidCount } = this.#options;
    const next = (from: number) => nextLimited(this.#fd, this.kind, from);
    for (let id = next(uidBase); id !== null && id < uidBase + uidCount; id = next(id + 1)) this.lift(id);
  }
}
