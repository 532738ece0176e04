/**
 * How many sandboxes a function runs: when to start one, and when to let one go.
 *
 * A request that waits can be served in two ways: by an instance that becomes free, or by one that is started for it. A
 * start has a price: its time for the request, the same time of a core for everybody else, and memory. So this is the ski
 * rental problem, with a prediction: renting is waiting, buying is a start. Whoever rents until the rent paid equals the
 * price, and buys then, pays at most twice what it would have paid knowing the future; a good prediction makes it nearly
 * what it would have paid, and a bad one does little harm (Purohit, Svitkina and Kumar, Improving Online Algorithms via ML
 * Predictions, NeurIPS 2018). Three rules say when to buy; the one that wants most decides.
 *
 * 1. Predicted. By Little's law `queued` requests that `n` instances serve for `serviceMs` each are taken after
 *    `queued * serviceMs / n` (Nightcore sets its concurrency by the same law and a moving average: Jia and Witchel, ASPLOS
 *    2021). Starts wait for each other, too: `n` of them, `atOnce` at a time, take `n * startMs / atOnce`. The last request
 *    waits least where both are the same, and that is at n = sqrt(queued * serviceMs * atOnce / startMs). A function that
 *    sleeps a second gets an instance for each of a hundred requests at once; one that takes 0.1 ms gets one or two for all.
 * 2. Quiet. Requests wait, and nothing has been answered for as long as a start takes: what was predicted was wrong, or
 *    nothing was known. Then the instances are doubled, and again when they have come and it is still quiet. By doubling,
 *    an error is found out for the price of what is there already, and 100 requests for a slow function that nobody has
 *    called yet get 100 instances in seven rounds. While an instance is on its way another one would only come later:
 *    where it takes very much longer than usual, one more is tried.
 * 3. Lasting. Waits that are too short for the other rules add up. What requests have waited, less half of what they were
 *    served, is owed (see `owedAfter`): it grows only while more requests wait than half as many as there are instances.
 *    Once it would have paid for ten starts, one is made. A burst comes to nothing; under load that lasts, instances
 *    are added until requests wait for about half as long as they are served.
 *
 * So a request waits about as long as a start takes, at most, beyond what it would wait with instances for all. Nobody
 * waits for a start that was made for him: whichever instance is free first takes the oldest request.
 *
 * Letting go is simpler, because the instance that was used last is always used first: one that has been idle for a while
 * was not needed at the peak of that while. Such a rule, with that order, stays near the best possible one whatever the load
 * does (DelayedOff, in Gandhi, Harchol-Balter, Raghunathan and Kozuch, AutoScale, TOCS 2012). The last instance of a
 * function is left to the idle LRU, which knows how much memory there is.
 */

/** What the decision to start an instance is made from; all of one function. */
export interface Load {
  /** Requests that wait. */
  readonly queued: number;
  /** Instances that are being made; each will take one request as soon as it is there. */
  readonly starting: number;
  /** Instances that have been given a request. */
  readonly busy: number;
  /** Of these, how many can't serve it yet, because they still load their code. Matters only where it is quiet. */
  readonly loading: number;
  /** Most instances at a time; 0 is no bound. */
  readonly max: number;
  /** How long an instance serves one request; null where that is not known yet. */
  readonly serviceMs: number | null;
  /** How long a new instance takes until it can serve; above 0. */
  readonly startMs: number;
  /** How many starts the machine can work on at the same time, beside what else it does; at least 1. */
  readonly atOnce: number;
  /** For how long no request has been answered, and no instance started; 0 where that was not looked at. */
  readonly quietMs: number;
  /** What requests have waited in vain: see `owedAfter`. */
  readonly owedMs: number;
}

/** A start pays if it would have spared this many requests the time that it takes. */
const STARTS_OWED = 10;
/** An instance that takes so many times as long to come as usual may never come. */
const PATIENCE = 10;
/** How much of the time in which it is served a request may have to wait, for as long as it likes. */
const BEARABLE_WAIT = 1 / 2;

/** How many instances to start now. Where any request waits, at least one serves or is started. */
export function instancesToStart(load: Load): number {
  const { queued, starting, busy, max } = load;
  const without = queued - starting;
  const room = max === 0 ? without : max - starting - busy;
  return Math.max(0, Math.min(without, room, wanted(load)));
}

function wanted(load: Load): number {
  const first = load.starting + load.busy === 0 ? 1 : 0;
  return Math.max(first, predicted(load), afterQuiet(load), owing(load));
}

function predicted({ queued, starting, busy, serviceMs, startMs, atOnce }: Load): number {
  if (serviceMs === null) return 0;
  return Math.ceil(Math.sqrt((queued * serviceMs * atOnce) / startMs)) - starting - busy;
}

function afterQuiet({ starting, busy, loading, startMs, quietMs }: Load): number {
  if (starting + loading > 0) return quietMs < startMs * PATIENCE ? 0 : 1;
  return quietMs < startMs ? 0 : busy;
}

function owing({ starting, owedMs, startMs }: Load): number {
  return starting === 0 && owedMs >= STARTS_OWED * startMs ? 1 : 0;
}

/** What is owed after one more request, which has waited and been served for so long. */
export function owedAfter(
  owedMs: number,
  { waitedMs, servedMs, startMs }: { waitedMs: number; servedMs: number; startMs: number },
): number {
  const owed = owedMs + waitedMs - servedMs * BEARABLE_WAIT;
  // No more than a start: while there is no room for another instance, nothing is gained by remembering.
  return Math.min(Math.max(0, owed), STARTS_OWED * startMs);
}

/** What the decision to let instances go is made from. */
export interface Idleness {
  /** For how long each idle instance has been idle, the longest first. */
  readonly idleMs: readonly number[];
  /** Instances that serve or are being made. */
  readonly others: number;
  readonly keepMs: number;
}

/** How many of the idle instances, those that were used longest ago, to let go. */
export function instancesToDrop({ idleMs, others, keepMs }: Idleness): number {
  const tooLong = idleMs.filter((ms) => ms >= keepMs).length;
  return Math.max(0, Math.min(tooLong, idleMs.length + others - 1));
}
