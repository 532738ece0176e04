import type { BenchResult } from './bench.ts';

/** The rows as a Markdown table, which reads well on a terminal, too. */
export function toTable({ rows }: BenchResult): string {
  const cells = [
    ['ms', 'p50', 'p99'],
    ...rows.map(({ what, p50, p99 }) => [what, p50.toFixed(3), p99.toFixed(3)]),
  ];
  const widths = [0, 1, 2].map((column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)));
  const line = (row: readonly string[]) => {
    const padded = row.map((cell, column) =>
      (column === 0 ? cell.padEnd : cell.padStart).call(cell, widths[column] ?? 0),
    );
    return `| ${padded.join(' | ')} |`;
  };
  const [head, ...body] = cells.map(line);
  const [first = 0, second = 0, third = 0] = widths;
  const rule = `|${'-'.repeat(first + 2)}|${'-'.repeat(second + 1)}:|${'-'.repeat(third + 1)}:|`;
  return [head, rule, ...body].join('\n');
}
