/**
 * Who may start a sandbox while memory is bounded for all of them together.
 *
 * Each sandbox has a limit of its own (`mem_limit_mb`). To set all of that aside for each would be safe, and would leave
 * most of the pool unused: a limit of 128 MB is there for the odd one, and most sandboxes take 2 to 20. To set nothing
 * aside would be full use, until two grow at once and the kernel ends one of them in the middle of a request. So:
 *
 * 1. What counts is what is measured, for all together. Files that the kernel gives up by itself are not counted.
 * 2. A sandbox that has just been started shows nothing yet. Until its first answer, what other ones of the function take
 *    is set aside for it; and as much as the margin is, where none has answered so far.
 * 3. A margin stays free: as much as one sandbox may take at most, so that any one of them can grow to its limit. Not more
 *    than a quarter of the pool, or a small pool would be all margin.
 * 4. Beyond that, idle sandboxes go, the one used longest ago first. Their memory is there when they are gone, some
 *    milliseconds later; so a start waits for those that are on their way out, and does not evict more for it.
 * 5. Zygotes with packages are in the pool as well. They are made ahead of calls that may come, and a start is for one that has:
 *    so with no idle sandbox left, they go, as many as it takes. They go after the idle sandboxes, because a zygote that is
 *    missing makes every cold start of its functions slower, and an idle sandbox one.
 * 6. With no zygote left that could go, the start waits for a sandbox that answers or ends.
 * 7. With nothing that could end, it does not wait: whatever fills the pool then (spares, or a pool that is smaller than one
 *    sandbox) would never go away. So whoever waits is always served in the end: some sandbox is at work, for no longer
 *    than `invocation_timeout_ms`, or is on its way out, or is idle and goes, or the start is made.
 *
 * The kernel holds the bound itself as well, on the group of all sandboxes. That is for the case that several grow at once,
 * faster than idle ones are evicted: then the largest is ended.
 */
export interface PoolState {
  readonly poolKb: number;
  /** The most that one sandbox may take. */
  readonly limitKb: number;
  /** Measured, of all sandboxes, spares and zygotes. */
  readonly usedKb: number;
  /** Set aside for those that were started and have not answered yet. */
  readonly reservedKb: number;
  /** Sandboxes and zygotes that are being ended, and what they will give back. */
  readonly ending: number;
  readonly endingKb: number;
  /** Sandboxes that serve a request or start. */
  readonly active: number;
  /** What zygotes hold that could be ended. */
  readonly zygotesKb: number;
}

/** What goes. */
export interface Eviction {
  /** So many idle sandboxes, the ones used longest ago. */
  readonly idle: number;
  /** Zygotes that hold so much. */
  readonly zygotesKb: number;
}

/** What becomes of a start: it is made, or waits; it is asked for again when what is evicted is gone. */
export type Admission =
  | { readonly kind: 'start' }
  | ({ readonly kind: 'evict' } & Eviction)
  | { readonly kind: 'wait' };

const MARGIN_OF_POOL = 1 / 4;

/** Decides on one sandbox more, which is expected to take `needKb`. `idleKb` has what idle ones take, the oldest first. */
export function admit(state: PoolState, needKb: number, idleKb: Iterable<number>): Admission {
  const missingKb = needKb - freeKb(state);
  if (missingKb <= 0) return { kind: 'start' };
  if (missingKb <= state.endingKb) return { kind: 'wait' };
  const eviction = evictionFor(missingKb - state.endingKb, state, idleKb);
  if (eviction.idle > 0 || eviction.zygotesKb > 0) return { kind: 'evict', ...eviction };
  return state.active > 0 || state.ending > 0 ? { kind: 'wait' } : { kind: 'start' };
}

/** What has to go because sandboxes at work have grown into the margin. */
export function evictionsFor(state: PoolState, idleKb: Iterable<number>): Eviction {
  return evictionFor(-freeKb(state) - state.endingKb, state, idleKb);
}

/** What may still be taken; below 0 where the margin has been touched. */
export function freeKb(state: PoolState): number {
  return state.poolKb - marginKb(state) - state.usedKb - state.reservedKb;
}

/** What is kept free, and what is expected of a sandbox of which nothing is known. */
export function marginKb({ poolKb, limitKb }: Pick<PoolState, 'poolKb' | 'limitKb'>): number {
  return Math.min(limitKb, Math.floor(poolKb * MARGIN_OF_POOL));
}

/** How many of the first ones it takes to give so much back, and zygotes for what is missing when all of them have gone. */
function evictionFor(
  wantedKb: number,
  { zygotesKb }: Pick<PoolState, 'zygotesKb'>,
  idleKb: Iterable<number>,
): Eviction {
  let [idle, sumKb] = [0, 0];
  for (const kb of idleKb) {
    if (sumKb >= wantedKb) break;
    idle++;
    sumKb += kb;
  }
  return { idle, zygotesKb: Math.max(0, Math.min(zygotesKb, wantedKb - sumKb)) };
}
