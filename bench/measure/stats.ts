/** A row's figures, in the unit of its samples. */
export interface Summary {
  readonly count: number;
  readonly p50: number;
  readonly p99: number;
}

/** Median and 99th percentile, by nearest rank. Throws where there are no samples. */
export function summarize(samples: readonly number[]): Summary {
  if (samples.length === 0) throw new RangeError('there are no samples');
  const sorted = [...samples].sort((a, b) => a - b);
  return { count: sorted.length, p50: rank(sorted, 0.5), p99: rank(sorted, 0.99) };
}

function rank(sorted: readonly number[], share: number): number {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}
