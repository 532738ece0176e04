import type { ScratchLimits, ScratchUsage } from './scratch-usage.ts';

/**
 * When to look again at what is in a scratch directory, where no quota of the kernel bounds it.
 *
 * Looking costs time, and in between the sandbox may write what it wants. So the next look comes when it could have filled
 * what is left, had it written as fast as sandboxes can. While it is far from its limits that is a good while. The nearer it
 * comes the sooner the next look, so what is written beyond the limit is what fits into the shortest time between two
 * looks, and into a look itself.
 *
 * Only time in which the sandbox runs counts: one that is paused writes nothing.
 */
export interface Look {
  readonly usage: Pick<ScratchUsage, 'bytes' | 'files'>;
  readonly limits: ScratchLimits;
  /** How long the look took. */
  readonly tookMs: number;
}

/** What one process can write into the page cache with a core of its own: 1.2 to 2 GB/s were measured. */
export const BYTES_PER_MS = 2_000_000;
/** Empty files that it can make: 20 to 40 were measured. */
export const FILES_PER_MS = 50;
/** It may be closer to its limit than that, but then it is over it soon. */
const SHORTEST_MS = 10;
/** Should the disk be faster than any that we know, it can still not be longer than that. */
const LONGEST_MS = 1000;
/** So that looking at one sandbox takes no more than a tenth of our time, however many files it has. */
const TIMES_OF_LOOK = 10;

/** In how many ms of the sandbox's running to look again. */
export function nextLookMs({ usage, limits, tookMs }: Look): number {
  const untilFull = Math.min(
    (limits.bytes - usage.bytes) / BYTES_PER_MS,
    (limits.files - usage.files) / FILES_PER_MS,
  );
  return Math.max(Math.min(untilFull, LONGEST_MS), SHORTEST_MS, TIMES_OF_LOOK * tookMs);
}

/** For a sandbox that has just been made: it has next to nothing. */
export function firstLookMs(limits: ScratchLimits): number {
  return nextLookMs({ usage: { bytes: 0, files: 0 }, limits, tookMs: 0 });
}
