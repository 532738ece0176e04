import { inTime } from '../../in-time.ts';
import { signalPidfd } from '../../linux/pidfd.ts';
import type { Exit } from './control.ts';

type Listener = (exit: Exit) => void;

/** A process that somebody wants to be told of. Its pidfd is the caller's, and open until then; null where it has none, and is about to end. */
export interface Claimed {
  readonly pidfd: number | null;
  readonly listener: Listener;
}

/** Ends that nobody has asked for yet: of processes that ended before we knew of them, and of what we never knew of. */
const MAX_EARLY = 256;
const KILLED: Exit = { code: null, signal: 9 };
/** How long the word of an end may be on its way that has happened already: the root zygote tells it right after. */
const ON_ITS_WAY_MS = 2000;

/**
 * What package zygotes have forked, by the pid that the root zygote sees. The root zygote is the parent of all of these: it
 * tells of their ends, and is trusted; a package zygote runs foreign code, and is not asked. Where the root zygote has died, all
 * that it had is PID 1's, which tells of it from then on.
 */
export class Children {
  readonly #claimed = new Map<number, Claimed>();
  readonly #early = new Map<number, Exit>();
  /** Who asks how a process ended that is gone, and has not been told of yet. */
  readonly #asked = new Map<number, Set<Listener>>();
  readonly #isGone: (pidfd: number) => boolean;
  #isOver = false;

  /** `isGone` tells whether somebody has reaped that process. */
  constructor(isGone = (pidfd: number) => !signalPidfd(pidfd, 0)) {
    this.#isGone = isGone;
  }

  /** `listener` is told when the living process `pid` has ended. False where somebody has claimed it already. */
  claim(pid: number, claimed: Claimed): boolean {
    if (this.#claimed.has(pid)) return false;
    // It lives: what is told here was of another process that had this pid.
    this.#early.delete(pid);
    if (this.#isOver) claimed.listener(KILLED);
    else this.#claimed.set(pid, claimed);
    return true;
  }

  /**
   * A root zygote has died. What it had forked itself is told of here from now on, whoever has claimed that besides. What it had
   * reaped and not told of any more is told to have been killed, as nobody knows how it ended.
   */
  adopt(orphans: readonly (Claimed & { readonly pid: number })[]): void {
    for (const { pid, pidfd, listener } of orphans) {
      const other = this.#claimed.get(pid)?.listener;
      const both = (exit: Exit) => {
        other?.(exit);
        listener(exit);
      };
      this.#claimed.set(pid, { pidfd, listener: both });
    }
    for (const [pid, claimed] of this.#claimed) {
      if (claimed.pidfd !== null && !this.#isGone(claimed.pidfd)) continue;
      // PID 1 may have reaped it, and be about to tell.
      const late = () => this.#claimed.get(pid) === claimed && this.reaped(pid, KILLED);
      setTimeout(late, ON_ITS_WAY_MS).unref();
    }
  }

  /**
   * How a process ended that is gone already. The root zygote has told so, or is about to: its stream may be read after that of
   * the package zygote that names the pid. Killed, where nothing comes; the pid may be made up.
   */
  async exitOf(pid: number): Promise<Exit> {
    const told = this.#early.get(pid);
    if (told !== undefined || this.#isOver) return told ?? KILLED;
    const { promise, resolve } = Promise.withResolvers<Exit>();
    const asked = this.#asked.get(pid) ?? new Set();
    this.#asked.set(pid, asked.add(resolve));
    const exit = await inTime(promise, ON_ITS_WAY_MS, () => KILLED);
    asked.delete(resolve);
    if (asked.size === 0 && this.#asked.get(pid) === asked) this.#asked.delete(pid);
    return exit;
  }

  reaped(pid: number, exit: Exit): void {
    for (const listener of this.#asked.get(pid) ?? []) listener(exit);
    const claimed = this.#claimed.get(pid);
    this.#claimed.delete(pid);
    if (claimed !== undefined) return claimed.listener(exit);
    this.#early.delete(pid);
    this.#early.set(pid, exit);
    for (const [oldest] of this.#early) if (this.#early.size > MAX_EARLY) this.#early.delete(oldest);
  }

  /** PID 1 has died, and the kernel has killed all of them. */
  end(): void {
    this.#isOver = true;
    for (const [pid, { listener }] of this.#claimed) {
      this.#claimed.delete(pid);
      listener(KILLED);
    }
    for (const asked of this.#asked.values()) for (const listener of asked) listener(KILLED);
  }
}
