import { readFile, rename, writeFile } from 'node:fs/promises';
import { cpus, release, totalmem } from 'node:os';
import type { Bench, BenchResult } from './bench.ts';
import { toTable } from './table.ts';

/** Puts a result in the place of the last one of the same bench; the rest of the document is as it was. */
export async function writeResult(file: string, bench: Bench, result: BenchResult): Promise<void> {
  const text = await readFile(file, 'utf8');
  const [start, end] = [`<!-- ${bench.name} -->`, `<!-- /${bench.name} -->`];
  const [from, to] = [text.indexOf(start), text.indexOf(end)];
  if (from < 0 || to < from)
    throw new Error(`${file} has no place for ${bench.name}: add ${start} and ${end}`);
  const section = `${start}\n\n${toSection(bench, result)}\n\n`;
  await writeFile(`${file}.tmp`, text.slice(0, from) + section + text.slice(to));
  await rename(`${file}.tmp`, file);
}

function toSection(bench: Bench, result: BenchResult): string {
  const notes = result.notes.map((note) => `- ${note}`).join('\n');
  const measured = `\`npm run bench -- ${bench.name}\`, ${new Date().toISOString().slice(0, 10)}, ${machine()}:`;
  return `${bench.about} ${measured}\n\n${toTable(result)}\n\n${notes}`;
}

/** What the figures depend on. */
export function machine(): string {
  const gib = Math.round(totalmem() / 2 ** 30);
  return `${cpus().length} cores, ${gib} GiB, Linux ${release().split('-')[0]}, Node ${process.versions.node}`;
}
