import type { Replayed } from '../zygote/simulation/replay.ts';

const HEAD = [
  'policy',
  'budget',
  'requests/s',
  'p50',
  'p99',
  'memory',
  'zygotes',
  'made',
  'ended',
  'hits by depth',
];

/** The table of `admin simulate`: times in ms, memory in MiB. */
export function simulateTable(results: readonly Replayed[]): string {
  const rows = [HEAD, ...results.map(rowOf)];
  const widths = HEAD.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const lines = rows.map((row) =>
    row
      .map((cell, column) => pad(cell, column, widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  return lines.join('\n');
}

/** Names and the last column to the left, figures to the right. */
function pad(cell: string, column: number, width: number): string {
  return column === 0 || column === HEAD.length - 1 ? cell.padEnd(width) : cell.padStart(width);
}

function rowOf(one: Replayed): string[] {
  return [
    one.policy,
    one.budgetKb === 0 ? '-' : `${mib(one.budgetKb)} MiB`,
    one.requestsPerSecond.toFixed(1),
    `${one.p50Ms.toFixed(1)} ms`,
    `${one.p99Ms.toFixed(1)} ms`,
    `${mib(one.peakKb)} MiB`,
    String(one.zygotes),
    String(one.made),
    String(one.evicted),
    one.hitsByDepth.length === 0 ? '-' : one.hitsByDepth.join(' '),
  ];
}

function mib(kb: number): string {
  return (kb / 1024).toFixed(0);
}
