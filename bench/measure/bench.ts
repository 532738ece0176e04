/** A benchmark: what it is called on the command line, what it measures, and how. */
export interface Bench {
  readonly name: string;
  /** One sentence. */
  readonly about: string;
  /** `samples` is how often to measure; a smoke test asks for a few. */
  run(options: BenchOptions): Promise<BenchResult>;
}

export interface BenchOptions {
  readonly samples: number;
}

/** What a figure can be in, and how many digits behind the point say something. A MB is 1024 kB. */
export const DIGITS = { ms: 3, MB: 2, '/s': 0, '×': 2 } as const;

interface Measured {
  readonly what: string;
  /** Of all figures of the row; ms where it is left out. */
  readonly unit?: keyof typeof DIGITS;
}

/** A thing that was measured many times. */
export interface SpreadRow extends Measured {
  readonly p50: number;
  readonly p99: number;
  readonly value?: never;
}

/** A thing that the whole run has one figure for. */
export interface ValueRow extends Measured {
  readonly value: number;
  readonly p50?: never;
  readonly p99?: never;
}

export type BenchRow = SpreadRow | ValueRow;

export interface BenchResult {
  readonly rows: readonly BenchRow[];
  /** What one needs to know to read the figures. */
  readonly notes: readonly string[];
}
