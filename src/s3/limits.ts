/** What requests may take. None of it depends on the cluster, so it is not in the config. */
export const OBJECT_MAX_BYTES = 1024 * 1024 * 1024;

/** Bodies that are received at once: each may fill a temporary file of the size of an object. */
export const BODIES_MAX = 64;

export const HTTP_LIMITS = {
  headerMaxBytes: 16 * 1024,
  headersMax: 200,
  headersTimeoutMs: 10_000,
  /** For the whole request: the largest object in this time is 10 Mbit/s. */
  requestTimeoutMs: 15 * 60_000,
  /** Without a byte in either direction. */
  idleMs: 60_000,
  keepAliveMs: 75_000,
  connectionsMax: 1000,
  /** How long the rest of a body that nobody reads may still come, so that the client gets to read the answer. */
  drainMs: 5000,
} as const;
