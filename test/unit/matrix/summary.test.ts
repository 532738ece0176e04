import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type Cell, cellsNamed } from '../../matrix/cells.ts';
import type { CellResult } from '../../matrix/run-cells.ts';
import { describeMatrix } from '../../matrix/summary.ts';
import { EMPTY } from '../../runner/tally.ts';

const RUN_ALL = join(import.meta.dirname, '../../run-all.ts');

function cell(name: string): Cell {
  const [found] = cellsNamed(name);
  if (found === undefined) throw new Error(`no cell ${name}`);
  return found;
}

const ran = (name: string, tally: Partial<CellResult['tally']>): CellResult => ({
  cell: cell(name),
  skipped: null,
  tally: { ...EMPTY, ...tally },
  seconds: 12.3,
});

describe('the summary of the matrix', () => {
  const results = [
    ran('sock/none/local', { passed: 10, skips: [{ test: 'x.test.ts > a', reason: 'no cache' }] }),
    ran('sock/both/local', { passed: 11, failures: ['x.test.ts > b'] }),
    ran('docker/none/local', { passed: 5, skips: [{ test: 'x.test.ts > a', reason: 'no cache' }] }),
    {
      cell: cell('docker/both/local'),
      skipped: 'the import cache belongs to sock',
      tally: EMPTY,
      seconds: 0,
    },
  ];
  const lines = describeMatrix(results, ['admin', 'function-errors', 'isolation-files']).split('\n');

  test('has a line for each cell, with its tally or why it did not run', () => {
    expect(lines).toContain('  sock/none/local        10 passed, 0 failed, 1 skipped, 12 s');
    expect(lines).toContain('  sock/both/local        11 passed, 1 failed, 0 skipped, 12 s');
    expect(lines).toContain('  docker/both/local      not run: the import cache belongs to sock');
  });

  test('tells which files and tests did not run in every cell, and why', () => {
    expect(lines).toContain('  admin: about commands and the set-up (no cell)');
    expect(lines).toContainEqual(
      expect.stringMatching(/^ {2}isolation-files: about what sock is made of.*\(2 cells\)$/),
    );
    expect(lines).toContain('  x.test.ts > a: no cache (skipped in 2 cells)');
    expect(lines.filter((line) => line.includes('function-errors'))).toEqual([]);
  });

  test('lists what failed with its cell', () => {
    expect(lines).toContain('  sock/both/local: x.test.ts > b');
  });
});

test('a cell that there is not is a mistake of the command line', () => {
  const { status, stderr } = spawnSync(process.execPath, [RUN_ALL, '--cell=sox'], { encoding: 'utf8' });
  expect(status).toBe(2);
  expect(stderr).toBe('no cell is called sox: a cell is <engine>/<caches>/<registry>\n');
});
