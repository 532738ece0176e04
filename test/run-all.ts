/**
 * What `npm run test:all` ends in: lint, types and all tests, as with `npm test`; then the integration tests once more in each
 * cell of the matrix (CONTRIBUTING.md). `--cell=<pattern>` runs only those cells (`docker`, `sock/none`, `sock/none/rclone`), and other
 * arguments go to vitest: `npm run test:all -- --cell=docker test/integration/life.test.ts`.
 */
import { join } from 'node:path';
import { CELLS, cellsNamed } from './matrix/cells.ts';
import { type CellResult, integrationFiles, runCells } from './matrix/run-cells.ts';
import { describeMatrix } from './matrix/summary.ts';
import { runChecks } from './runner/checks.ts';
import { printTally } from './runner/print.ts';
import { addTallies, EMPTY, type Tally } from './runner/tally.ts';
import { runVitest } from './runner/vitest.ts';

const ROOT = join(import.meta.dirname, '..');
const CELL_FLAG = '--cell=';

const isFlag = (arg: string) => arg.startsWith(CELL_FLAG);
const patterns = process.argv
  .slice(2)
  .filter(isFlag)
  .map((arg) => arg.slice(CELL_FLAG.length));
const args = process.argv.slice(2).filter((arg) => !isFlag(arg));
const cells = patterns.length === 0 ? CELLS : patterns.flatMap(cellsNamed);

async function runEverything(): Promise<Tally> {
  const checks = await runChecks(ROOT);
  console.log('\nTests');
  return addTallies(checks, await runVitest([], ROOT));
}

function sumOf(results: readonly CellResult[]): Tally {
  return results.reduce((sum, { tally }) => addTallies(sum, { ...tally, skips: [] }), EMPTY);
}

if (cells.length === 0) {
  console.error(`no cell is called ${patterns.join(', ')}: a cell is <engine>/<caches>/<registry>`);
  process.exitCode = 2;
} else {
  const isWhole = patterns.length === 0 && args.length === 0;
  const everything = isWhole ? await runEverything() : EMPTY;
  const results = await runCells(cells, args, ROOT);
  console.log(`\n${describeMatrix(results, integrationFiles(ROOT))}`);
  process.exitCode = printTally(addTallies(everything, sumOf(results)), [], false);
}
