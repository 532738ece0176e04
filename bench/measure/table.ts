import { type BenchResult, type BenchRow, DIGITS } from './bench.ts';

const COLUMNS = ['value', 'p50', 'p99'] as const;
type Column = (typeof COLUMNS)[number];

/**
 * The rows as a Markdown table, which reads well on a terminal, too. A unit that all rows share is in its head; else it
 * is beside each figure. Columns that would be empty are left out.
 */
export function toTable({ rows }: BenchResult): string {
  const units = new Set(rows.map(unitOf));
  const columns = COLUMNS.filter((column) => rows.some((row) => row[column] !== undefined));
  const toCell = units.size === 1 ? plain : withUnit;
  return layOut([
    [units.size === 1 ? [...units].join() : '', ...columns],
    ...rows.map((row) => [row.what, ...columns.map((column) => toCell(row, column))]),
  ]);
}

function unitOf({ unit = 'ms' }: BenchRow): keyof typeof DIGITS {
  return unit;
}

function plain(row: BenchRow, column: Column): string {
  return row[column]?.toFixed(DIGITS[unitOf(row)]) ?? '';
}

function withUnit(row: BenchRow, column: Column): string {
  return row[column] === undefined ? '' : `${plain(row, column)} ${unitOf(row)}`;
}

/** The first column to the left, the others to the right. */
function layOut(cells: readonly (readonly string[])[]): string {
  const [head = []] = cells;
  const widths = head.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)));
  const lines = cells.map((row) => {
    const padded = widths.map((width, column) =>
      column === 0 ? row[column]?.padEnd(width) : row[column]?.padStart(width),
    );
    return `| ${padded.join(' | ')} |`;
  });
  const rule = widths.map((width, column) =>
    column === 0 ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`,
  );
  return [lines[0], `|${rule.join('|')}|`, ...lines.slice(1)].join('\n');
}
