/**
 * What `npm test` ends in: lint, types, then the tests; with arguments only the tests, which get them:
 * `npm test -- test/unit/foo.test.ts`. With `--check` only lint and types. The last line says how it went.
 */
import { join } from 'node:path';
import { EXPECTED_SKIPS } from './expected-skips.ts';
import { runChecks } from './runner/checks.ts';
import { printTally } from './runner/print.ts';
import { addTallies, EMPTY, type Tally } from './runner/tally.ts';
import { runVitest } from './runner/vitest.ts';

const ROOT = join(import.meta.dirname, '..');
async function runAll(args: readonly string[]): Promise<Tally> {
  if (args.includes('--check')) return await runChecks(ROOT);
  const checks = args.length === 0 ? await runChecks(ROOT) : EMPTY;
  console.log('\nTests');
  return addTallies(checks, await runVitest(args, ROOT));
}

const isCi = !['', 'false', undefined].includes(process.env.CI);
const tally = await runAll(process.argv.slice(2));
process.exitCode = printTally(tally, EXPECTED_SKIPS, isCi);
