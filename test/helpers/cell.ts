import type { BucketConfig } from '../../src/config/load.ts';
import type { ConfigFile } from '../../src/config/schema.ts';
import type { Cell } from '../matrix/cells.ts';

/** Names the cell that tests run in, as JSON; `npm run test:all` sets it, and nothing else does. */
export const CELL_VARIABLE = 'OL_TEST_CELL';

/** A cell, and what was started for it. */
export interface RunningCell {
  readonly cell: Cell;
  /** What makes a worker one of this cell, the address of its Docker daemon included. */
  readonly settings: ConfigFile;
  /** The S3 server of its registry, on which each cluster makes a bucket of its own; null for the local registry. */
  readonly server: Omit<BucketConfig, 'bucket'> | null;
}

/** What ordinary tests run in: everything as it is by default, which is the cell `sock/both/local`. */
export const DEFAULT_CELL: RunningCell = {
  cell: { engine: 'sock', caches: 'both', registry: 'local' },
  settings: {},
  server: null,
};

/** The cell of this run. This is the only place that looks at the variable. */
export const CURRENT_CELL: RunningCell = readCell(process.env[CELL_VARIABLE]);

function readCell(text: string | undefined): RunningCell {
  return text === undefined ? DEFAULT_CELL : JSON.parse(text);
}
