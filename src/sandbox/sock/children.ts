import { inTime } from '../../in-time.ts';
import type { Exit } from './control.ts';

type Listener = (exit: Exit) => void;

/** Ends that nobody has asked for yet: of processes that ended before we knew of them, and of what we never knew of. */
const MAX_EARLY = 256;
const KILLED: Exit = { code: null, signal: 9 };
/** How long the word of an end may be on its way that has happened already: the root zygote tells it right after. */
const ON_ITS_WAY_MS = 2000;

/**
 * What package zygotes have forked, by the pid that the root zygote sees. The root zygote is the parent of all of these: it
 * tells of their ends, and is trusted; a package zygote runs foreign code, and is not asked.
 */
export class Children {
  readonly #listeners = new Map<number, Listener>();
  readonly #early = new Map<number, Exit>();
  /** Who asks how a process ended that is gone, and has not been told of yet. */
  readonly #asked = new Map<number, Set<Listener>>();
  #isOver = false;

  /** `listener` is told when the living process `pid` has ended. False where somebody has claimed it already. */
  claim(pid: number, listener: Listener): boolean {
    if (this.#listeners.has(pid)) return false;
    // It lives: what is told here was of another process that had this pid.
    this.#early.delete(pid);
    if (this.#isOver) listener(KILLED);
    else this.#listeners.set(pid, listener);
    return true;
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
    const listener = this.#listeners.get(pid);
    this.#listeners.delete(pid);
    if (listener !== undefined) return listener(exit);
    this.#early.delete(pid);
    this.#early.set(pid, exit);
    for (const [oldest] of this.#early) if (this.#early.size > MAX_EARLY) this.#early.delete(oldest);
  }

  /** The root zygote has died, and the kernel has killed all of them. */
  end(): void {
    this.#isOver = true;
    for (const [pid, listener] of this.#listeners) {
      this.#listeners.delete(pid);
      listener(KILLED);
    }
    for (const asked of this.#asked.values()) for (const listener of asked) listener(KILLED);
  }
}
