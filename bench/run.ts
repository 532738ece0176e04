import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { nearest } from '../src/config/nearest.ts';
import { BENCHES } from './benches.ts';
import type { Bench } from './measure/bench.ts';
import { machine, writeResult } from './measure/document.ts';
import { toTable } from './measure/table.ts';

const NAME_WIDTH = Math.max(...BENCHES.map(({ name }) => name.length));
const DOCUMENT = fileURLToPath(new URL('../docs/benchmarks.md', import.meta.url));
const USAGE = `usage: npm run bench -- [names] [--list] [--json] [--samples=N] [--no-write]

Runs the benchmarks named, or all; prints a table of each, and writes it to docs/benchmarks.md.`;

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    allowNegative: true,
    options: {
      list: { type: 'boolean' },
      json: { type: 'boolean' },
      write: { type: 'boolean', default: true },
      samples: { type: 'string', default: '1000' },
      help: { type: 'boolean' },
    },
  });
  if (values.help) return print(USAGE);
  if (values.list)
    return print(BENCHES.map(({ name, about }) => `${name.padEnd(NAME_WIDTH)} ${about}`).join('\n'));
  const samples = Number(values.samples);
  if (!Number.isInteger(samples) || samples < 1)
    throw new Error(`--samples=${values.samples}: a number from 1 on`);
  const chosen = positionals.length === 0 ? BENCHES : positionals.map(find);
  for (const bench of chosen) {
    const result = await bench.run({ samples });
    if (values.json) print(JSON.stringify({ name: bench.name, machine: machine(), samples, ...result }));
    else print(`\n${bench.name}: ${bench.about}\n\n${toTable(result)}\n`);
    if (values.write) await writeResult(DOCUMENT, bench, result);
  }
}

function find(name: string): Bench {
  const bench = BENCHES.find((one) => one.name === name);
  if (bench !== undefined) return bench;
  const near = nearest(
    name,
    BENCHES.map((one) => one.name),
  );
  throw new Error(
    `there is no bench '${name}'${near === null ? '' : `: did you mean '${near}'?`} See --list.`,
  );
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

try {
  await main();
} catch (error) {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
