import type { ExpectedSkip } from '../expected-skips.ts';
import type { TestReport } from './reporter.ts';

export interface Skip {
  readonly test: string;
  /** What the test said with `skip(reason)`; null for one that gave none. */
  readonly reason: string | null;
}

export interface Tally {
  readonly passed: number;
  /** What failed: a check, a test, a file that could not be loaded, an error outside of any test. */
  readonly failures: readonly string[];
  readonly skips: readonly Skip[];
}

export const EMPTY: Tally = { passed: 0, failures: [], skips: [] };

export function addTallies(a: Tally, b: Tally): Tally {
  return {
    passed: a.passed + b.passed,
    failures: [...a.failures, ...b.failures],
    skips: [...a.skips, ...b.skips],
  };
}

/** Counts a run of vitest. A run that ended badly has at least one failure, whatever its report says. */
export function tallyOf(report: TestReport | null, outcome: number | NodeJS.Signals): Tally {
  if (report === null) return { ...EMPTY, failures: [`vitest ended without a report (${outcome})`] };
  const named = (state: string) => report.tests.filter((test) => test.state === state);
  const failures = [...named('failed').map(({ test }) => test), ...report.errors];
  // A test that neither passed, failed nor was skipped was cut off.
  failures.push(...named('pending').map(({ test }) => `${test} (did not finish)`));
  if (failures.length === 0 && outcome !== 0) failures.push(`vitest ended with ${outcome}`);
  return { passed: named('passed').length, failures, skips: named('skipped') };
}

/** The tally with every skip that is not on the list turned into a failure. */
export function refuseSkips(tally: Tally, expected: readonly ExpectedSkip[]): Tally {
  const isExpected = ({ test }: Skip) => expected.some((entry) => entry.test === test);
  const refused = tally.skips.filter((skip) => !isExpected(skip));
  return {
    passed: tally.passed,
    failures: [...tally.failures, ...refused.map(({ test }) => `${test} (skipped, which nobody expected)`)],
    skips: tally.skips.filter(isExpected),
  };
}
