/**
 * When a function whose sandboxes are ended for what they use up may have another one.
 *
 * What hurts the neighbours of a memory bomb or a fork bomb is not that it has reached its bound, but the way there and the end:
 * memory that is taken and given back, processes that are made and reaped, a tenth of a second of the kernel's time for 64
 * of them. A client that calls it again and again has that done again and again, and no share of the CPU time helps, as it is
 * the kernel that is busy. So such a function is started later and later, as Kubernetes does with a container that keeps
 * crashing (CrashLoopBackOff): requests wait in its queue meanwhile.
 *
 * A call that ended for a bound on memory or scratch space of the sandbox's own is a strike, and one that ended for asking on and
 * on for more processes is two: memory may run short once by bad luck, but a fork bomb is one by what its code says, and hurts the
 * most. One that took too long, crashed or raised is none: that costs nobody else anything, or has a bound of its own.
 *
 * 1. After one strike nothing changes: anybody may be unlucky once. From the second on no sandbox is started for 5 s since
 *    the last strike, then 10, 20, 30, and no more than that.
 * 2. When that is over, one is started, and no other beside it until it has answered: one call shows whether it is better now,
 *    as with a circuit breaker that is half open. Sandboxes that are there already go on serving, all the time.
 * 3. Each call that is answered takes a tenth of the strikes away. So one that uses up its memory once in eight calls is never held back, as
 *    it never comes to two strikes; one that fails every other time is, in order that nobody gets around this by being
 *    called harmlessly in between.
 * 4. New code takes all of them away, because whoever mends a function should not have to wait; and so do two
 *    minutes without a strike.
 *
 * So a bomb that is called all the time ends twice a minute, and not ten times a second.
 */
export interface Strikes {
  /** Not whole after an answer. */
  readonly count: number;
  /** When the last one was, in ms. */
  readonly at: number;
}

export const NO_STRIKES: Strikes = { count: 0, at: Number.NEGATIVE_INFINITY };

/** How long no sandbox is started, after so many strikes. */
const DELAYS_MS = [0, 0, 5_000, 10_000, 20_000, 30_000] as const;
/** More are not counted: they would not make it later, and so many have to be made good for by answers. */
const MOST = DELAYS_MS.length - 1;
/** From here on there is one sandbox at a time. */
const TRIAL = 2;
const KEPT_BY_ANSWER = 9 / 10;
/** Strikes are over when there was none for so long. */
export const STRIKES_LAST_MS = 120_000;

/** Of a call that ended for this bound. */
export const STRIKES_OF = {
  ERR_OUT_OF_MEMORY: 1,
  ERR_SCRATCH_FULL: 1,
  ERR_TOO_MANY_PROCESSES: 2,
} as const;

/** After so many more. */
export function afterStrikes(strikes: Strikes, more: number, now: number): Strikes {
  return { count: Math.min(MOST, countAt(strikes, now) + more), at: now };
}

/** After a call that was answered. Without strikes, as nearly always, nothing is made. */
export function afterAnswer(strikes: Strikes): Strikes {
  const { count, at } = strikes;
  return count === 0 ? strikes : { count: count * KEPT_BY_ANSWER, at };
}

/** How many count still. */
export function countAt({ count, at }: Strikes, now: number): number {
  return now - at >= STRIKES_LAST_MS ? 0 : count;
}

/** For how long from now on no sandbox is started; 0 where one may be. */
export function heldForMs({ count, at }: Strikes, now: number): number {
  return Math.max(0, (DELAYS_MS[Math.floor(count)] ?? 0) - (now - at));
}

/** How many sandboxes may be started now at most, where so many are at work or being made. */
export function startsAllowed(strikes: Strikes, now: number, atWork: number): number {
  if (heldForMs(strikes, now) > 0) return 0;
  if (countAt(strikes, now) < TRIAL) return Number.POSITIVE_INFINITY;
  return atWork === 0 ? 1 : 0;
}
