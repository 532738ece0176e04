/** A test that a machine of the CI cannot run. Any other skip fails there. */
export interface ExpectedSkip {
  /** As the run lists it: `test/integration/x.test.ts > a title`. */
  readonly test: string;
  readonly reason: string;
}

export const EXPECTED_SKIPS: readonly ExpectedSkip[] = [];
