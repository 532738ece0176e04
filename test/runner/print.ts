import type { ExpectedSkip } from '../expected-skips.ts';
import { refuseSkips, type Skip, type Tally } from './tally.ts';

/** Prints what failed, what was skipped and why, and the last line; returns the exit status. */
export function printTally(tally: Tally, expected: readonly ExpectedSkip[], isCi: boolean): 0 | 1 {
  const { passed, failures, skips } = isCi ? refuseSkips(tally, expected) : tally;
  printList(
    'Skipped',
    skips.map((skip) => describeSkip(skip, expected)),
  );
  printList('Failed', failures);
  console.log(`\n${passed} passed, ${failures.length} failed, ${skips.length} skipped`);
  return failures.length === 0 ? 0 : 1;
}

function describeSkip({ test, reason }: Skip, expected: readonly ExpectedSkip[]): string {
  const known = expected.find((entry) => entry.test === test)?.reason;
  return `${test}: ${reason ?? known ?? 'no reason given; give one with skip(reason)'}`;
}

function printList(title: string, lines: readonly string[]): void {
  if (lines.length > 0) console.log(`\n${title}:\n${lines.map((line) => `  ${line}`).join('\n')}`);
}
