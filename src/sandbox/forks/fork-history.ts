/**
 * Which sandbox asks on and on for more processes than it may have, and when to look at one again.
 *
 * The kernel refuses a fork beyond `procs_max`, and a program that minds goes on with what it has: a pool of threads that was
 * meant to be larger, a child that is forked a moment later. A fork bomb minds nothing, and would keep the machine busy until the
 * time limit of its call. The two are told apart by how many forks were refused within a second: one that minds has stopped
 * before there are half as many as it may have processes; a bomb gets there within some tens of ms. Not more: a fork that is refused
 * costs the kernel nearly as much as one that is not, so that beside others a bomb may not get to two hundred in a second.
 *
 * The kernel counts what it refuses, and need not tell anybody: on v1, `pids.events` notified nobody who watched it (on Linux
 * 6.18, by inotify and by poll). So it has to be looked at, which takes ten microseconds.
 * Most calls are over before a first look is worth it; one that goes on is looked at less and less often, and closely while it is
 * refused something: for as long as a bomb goes on, each call beside it may have to wait.
 */
export interface ForkHistory {
  /** When the second that is counted has begun, in ms. */
  readonly since: number;
  /** What had been refused by then. */
  readonly before: number;
  /** What had been refused at the last look. */
  readonly refused: number;
  /** In how many ms to look again. */
  readonly nextMs: number;
}

/** Most calls take less, cold ones too. */
export const FIRST_LOOK_MS = 10;
/** Where it was refused something since the last look. */
export const CLOSE_LOOK_MS = 5;
export const LONGEST_MS = 100;
const WINDOW_MS = 1000;
/** A bound may be so low that a program meets it a few times before it has understood. */
const LEAST_REFUSED = 50;
/** Of `procs_max`. */
const PART_REFUSED = 1 / 2;

/** Of a sandbox that has just been made. */
export function newHistory(now: number): ForkHistory {
  return { since: now, before: 0, refused: 0, nextMs: FIRST_LOOK_MS };
}

/** After a look, at which so many forks had been refused since the sandbox was made. */
export function afterLook(history: ForkHistory, refused: number, now: number): ForkHistory {
  const isOver = now - history.since >= WINDOW_MS;
  const nextMs = refused > history.refused ? CLOSE_LOOK_MS : Math.min(2 * history.nextMs, LONGEST_MS);
  return isOver
    ? { since: now, before: refused, refused, nextMs }
    : { since: history.since, before: history.before, refused, nextMs };
}

/** True where it does not mind, of what was refused by now. It may not have been looked at for longer than a second. */
export function isForkBomb(
  { since, before }: ForkHistory,
  refused: number,
  now: number,
  procsMax: number,
): boolean {
  const seconds = Math.max(1, (now - since) / WINDOW_MS);
  return refused - before > Math.max(procsMax * PART_REFUSED, LEAST_REFUSED) * seconds;
}
