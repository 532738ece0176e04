/** What the decision to start an instance is made from; all counts are of one function. */
export interface Load {
  /** Requests that wait. */
  readonly queued: number;
  /** Instances that are being made; each will take one request as soon as it is there. */
  readonly starting: number;
  /** Instances that serve a request right now. */
  readonly busy: number;
  /** Most instances at a time; 0 is no bound. */
  readonly max: number;
}

/**
 * How many instances to start now. A start costs a few milliseconds, and how long a busy instance will take nobody
 * knows; so every request that waits gets an instance of its own, up to the bound. Whichever instance is free first
 * takes the oldest request, so a request never waits for the start if something else is quicker.
 */
export function instancesToStart({ queued, starting, busy, max }: Load): number {
  const missing = queued - starting;
  const room = max === 0 ? missing : max - starting - busy;
  return Math.max(0, Math.min(missing, room));
}
