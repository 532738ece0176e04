import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { CELL_VARIABLE } from '../helpers/cell.ts';
import { addTallies, EMPTY, type Tally } from '../runner/tally.ts';
import { runVitest } from '../runner/vitest.ts';
import { type Cell, nameOf, whyImpossible } from './cells.ts';
import { whyNotIn } from './rules.ts';
import { Services, whyNotHere } from './services.ts';
import { RULES } from './table.ts';

const INTEGRATION = 'test/integration';
const ENDING = '.test.ts';
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** What became of a cell: it was run, or not, and why. */
export interface CellResult {
  readonly cell: Cell;
  readonly skipped: string | null;
  readonly tally: Tally;
  readonly seconds: number;
}

/** The integration tests, by their names without ending. */
export function integrationFiles(root: string): string[] {
  const names = readdirSync(join(root, INTEGRATION));
  return names.filter((name) => name.endsWith(ENDING)).map((name) => name.slice(0, -ENDING.length));
}

/**
 * Runs cells one after the other; `args` go to vitest, which runs all files of the cell where none names a file. Told to end,
 * it ends what runs, begins no more, and tidies up.
 */
export async function runCells(
  cells: readonly Cell[],
  args: readonly string[],
  root: string,
): Promise<CellResult[]> {
  await using services = new Services();
  using told = new Told();
  const results: CellResult[] = [];
  for (const [index, cell] of cells.entries()) {
    const skipped = whyImpossible(cell) ?? whyNotHere(cell);
    console.log(
      `\nCell ${index + 1} of ${cells.length}: ${nameOf(cell)}${skipped === null ? '' : ` (skipped: ${skipped})`}`,
    );
    const start = performance.now();
    const tally = skipped === null ? await runCell(cell, { args, root, services }) : EMPTY;
    results.push({ cell, skipped, tally, seconds: (performance.now() - start) / 1000 });
    if (told.isOver) break;
  }
  return results;
}

/** Whether this process was told to end; while it lives, that does not end it by itself. */
class Told implements Disposable {
  isOver = false;
  readonly #note = () => {
    this.isOver = true;
  };

  constructor() {
    for (const signal of SIGNALS) process.on(signal, this.#note);
  }

  [Symbol.dispose](): void {
    for (const signal of SIGNALS) process.off(signal, this.#note);
  }
}

interface CellRun {
  readonly args: readonly string[];
  readonly root: string;
  readonly services: Services;
}

async function runCell(cell: Cell, { args, root, services }: CellRun): Promise<Tally> {
  const running = await services.for(cell);
  const files = integrationFiles(root).filter((file) => whyNotIn(RULES, cell, { file }) === null);
  const all = files.map((file) => `${INTEGRATION}/${file}${ENDING}`);
  const what = args.some((arg) => arg.includes(ENDING)) ? args : [...all, ...args];
  const tally = await runVitest(what, root, { [CELL_VARIABLE]: JSON.stringify(running) });
  return addTallies(tally, { ...EMPTY, failures: await services.takeContainersLeft() });
}
