import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { BENCHES } from '../../bench/benches.ts';
import { toTable } from '../../bench/measure/table.ts';
import { ROOT } from '../helpers/checkout.ts';
import { leavesNothing } from '../helpers/leftovers.ts';
import { treeOf } from '../helpers/processes.ts';
import { makeTestDir, removeEmptyRoot } from '../helpers/test-root.ts';

leavesNothing();

/** What the benches make goes where the search for leftovers looks. */
let dir: string;
beforeAll(async () => {
  dir = await makeTestDir();
  vi.stubEnv('TMPDIR', dir);
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await rm(dir, { recursive: true });
  await removeEmptyRoot();
});

const commandsBelow = () => treeOf(process.pid).map(({ command }) => command);

describe.each(BENCHES)('the bench $name', (bench) => {
  test('gives finite figures, also of three samples, and ends all that it started', async ({ skip }) => {
    if (process.getuid?.() !== 0) skip('making sandboxes needs root');
    const before = commandsBelow();
    const { rows } = await bench.run({ samples: 3 });
    const figures = rows.flatMap(({ what: _, unit: __, ...rest }) => Object.values(rest));
    expect(rows.length).toBeGreaterThan(1);
    expect(figures.length).toBeGreaterThanOrEqual(rows.length);
    expect(figures.filter((figure) => !Number.isFinite(figure))).toEqual([]);
    expect(commandsBelow()).toEqual(before);
  });

  test('has its place in the document', async () => {
    const text = await readFile(join(ROOT, 'docs/benchmarks.md'), 'utf8');
    expect(text.indexOf(`<!-- /${bench.name} -->`)).toBeGreaterThan(text.indexOf(`<!-- ${bench.name} -->`));
    expect(text).toContain(`<!-- ${bench.name} -->`);
  });
});

test('a table says a unit once where all rows share it', () => {
  const rows = [
    { what: 'a call', p50: 1, p99: 2.5 },
    { what: 'a floor', p50: 0.25, p99: 12 },
  ];
  expect(toTable({ rows, notes: [] }).split('\n')).toEqual([
    '| ms      |   p50 |    p99 |',
    '|---------|------:|-------:|',
    '| a call  | 1.000 |  2.500 |',
    '| a floor | 0.250 | 12.000 |',
  ]);
});

test('a table with several units says it beside each figure, and has a column for single values', () => {
  const rows = [
    { what: 'calls', unit: '/s', value: 15_000.4 },
    { what: 'a call', p50: 1, p99: 2.5 },
  ] as const;
  expect(toTable({ rows, notes: [] }).split('\n')).toEqual([
    '|        |    value |      p50 |      p99 |',
    '|--------|---------:|---------:|---------:|',
    '| calls  | 15000 /s |          |          |',
    '| a call |          | 1.000 ms | 2.500 ms |',
  ]);
});
