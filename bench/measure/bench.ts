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

/** One measured thing; times in ms. */
export interface BenchRow {
  readonly what: string;
  readonly p50: number;
  readonly p99: number;
}

export interface BenchResult {
  readonly rows: readonly BenchRow[];
  /** What one needs to know to read the figures. */
  readonly notes: readonly string[];
}
