/**
 * Whether the sandboxes of a worker take all cores for themselves.
 *
 * While they do, whoever wakes up needs a core that somebody else has. The kernel's scheduler says whose turn it is, but looks at
 * that only when something happens on a core, and at each tick: every 4 ms with Debian's kernel (CONFIG_HZ=250). So who is
 * interrupted, or wakes up in the first fraction of another one's slice, waits for the next tick. A call takes a fraction of a
 * millisecond, and has several such moments: in the worker, in its sandbox, on the way between them.
 */
export interface CoreUse {
  /** When it was looked at, in ms. */
  readonly at: number;
  /** CPU time of all sandboxes by then, and of what they are forked from. */
  readonly usedUs: number;
  /** For how long the sandbox has run that has run longest. */
  readonly longestMs: number;
}

export const LOOK_EVERY_MS = 10;
/** For how long cores are taken to be crowded after they were: what ends one moment is often back the next. */
export const CROWDED_FOR_MS = 100;

/** The worker, who calls, and the sandbox that answers take turns: they need about one core. What is counted may be a tick behind. */
const LEFT_OVER = 1.1;
/** Where there is only one. */
const LEAST_PART = 0.45;
/** Starts and ends of sandboxes take much, too; but what is idle after one call, as most of them, is paused by then. */
const LASTING_MS = 50;

/** True where between two looks all of `cores` were taken but what a call needs, and not only by starts. */
export function isCrowded(before: CoreUse, now: CoreUse, cores: number): boolean {
  if (now.longestMs < LASTING_MS) return false;
  const taken = (now.usedUs - before.usedUs) / 1000 / (now.at - before.at);
  return taken >= Math.max(cores - LEFT_OVER, cores * LEAST_PART);
}
