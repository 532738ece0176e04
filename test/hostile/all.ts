/** Set by `npm run test:hostile`: what takes longer than CI has time for runs as well. */
const RUNS_ALL = process.env.OL_HOSTILE === 'all';

/** Call it first in a test that takes long. */
export function slow(skip: (reason: string) => void): void {
  if (!RUNS_ALL) skip(TOO_SLOW);
}

export const TOO_SLOW = 'it takes half a minute; `npm run test:hostile` runs it';
