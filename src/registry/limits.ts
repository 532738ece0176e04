/** What the code of one function may hold. What is more is refused: it would fill the worker's disk. */
export interface CodeLimits {
  readonly maxBytes: number;
  /** Files, directories and links together. */
  readonly maxFiles: number;
  /** Directories inside each other. */
  readonly maxDepth: number;
}

export const CODE_LIMITS: CodeLimits = { maxBytes: 512 * 2 ** 20, maxFiles: 100_000, maxDepth: 32 };

/** Most bytes in a path inside a function: with the cluster directory before it, it has to stay below PATH_MAX. */
export const MAX_PATH_BYTES = 2048;
