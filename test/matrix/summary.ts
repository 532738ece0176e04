import type { Skip } from '../runner/tally.ts';
import { nameOf } from './cells.ts';
import { whyNotIn } from './rules.ts';
import type { CellResult } from './run-cells.ts';
import { RULES } from './table.ts';

const NAME_WIDTH = 22;

/** What each cell came to, a line each; then what was not run where, and why, and what failed. */
export function describeMatrix(results: readonly CellResult[], files: readonly string[]): string {
  return [
    'Cells (engine/caches/registry):',
    ...results.map(describeCell),
    '',
    'Not run in every cell:',
    ...describeFiles(results, files),
    ...describeSkips(results),
    ...describeFailures(results),
  ].join('\n');
}

function describeCell({ cell, skipped, tally, seconds }: CellResult): string {
  const { passed, failures, skips } = tally;
  const counts = `${passed} passed, ${failures.length} failed, ${skips.length} skipped, ${Math.round(seconds)} s`;
  return `  ${nameOf(cell).padEnd(NAME_WIDTH)} ${skipped === null ? counts : `not run: ${skipped}`}`;
}

function describeFiles(results: readonly CellResult[], files: readonly string[]): string[] {
  const ran = results.filter(({ skipped }) => skipped === null);
  const reasons = new Map<string, string[]>();
  for (const file of files) {
    const missing = ran.flatMap(({ cell }) => whyNotIn(RULES, cell, { file }) ?? []);
    const [why] = missing;
    if (why === undefined) continue;
    const where = `${why} (${missing.length === ran.length ? 'no cell' : `${ran.length - missing.length} cells`})`;
    reasons.set(where, [...(reasons.get(where) ?? []), file]);
  }
  return [...reasons].map(([why, names]) => `  ${names.join(', ')}: ${why}`);
}

/** Single tests, each once, with the number of cells that skipped it. */
function describeSkips(results: readonly CellResult[]): string[] {
  const counts = new Map<string, number>();
  for (const skip of results.flatMap(({ tally }) => tally.skips)) {
    const line = lineOf(skip);
    counts.set(line, (counts.get(line) ?? 0) + 1);
  }
  return [...counts].map(([line, count]) => `  ${line} (skipped in ${count} cells)`);
}

function lineOf({ test, reason }: Skip): string {
  return `${test}: ${reason ?? 'no reason given; give one with skip(reason)'}`;
}

function describeFailures(results: readonly CellResult[]): string[] {
  const lines = results.flatMap(({ cell, tally }) =>
    tally.failures.map((failure) => `  ${nameOf(cell)}: ${failure}`),
  );
  return lines.length === 0 ? [] : ['', 'Failed:', ...lines];
}
