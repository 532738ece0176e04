import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runNode } from './command.ts';
import { REPORT_VARIABLE, type TestReport } from './reporter.ts';
import { type Tally, tallyOf } from './tally.ts';

/** Runs vitest in a process of its own, so that its crash is a failure and not ours; `args` go to it, `env` beside our own. */
export async function runVitest(
  args: readonly string[],
  root: string,
  env: Readonly<Record<string, string>> = {},
): Promise<Tally> {
  const dir = await mkdtemp(join(tmpdir(), 'openlambda-report-'));
  try {
    const path = join(dir, 'report.json');
    const reporters = ['--reporter=default', `--reporter=${join(import.meta.dirname, 'reporter.ts')}`];
    const argv = [join(root, 'node_modules/vitest/vitest.mjs'), 'run', ...reporters, ...args];
    const outcome = await runNode(argv, root, { ...process.env, ...env, [REPORT_VARIABLE]: path });
    return forFilter(tallyOf(await readReport(path), outcome), args);
  } finally {
    await rm(dir, { recursive: true });
  }
}

async function readReport(path: string): Promise<TestReport | null> {
  try {
    return JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || error instanceof SyntaxError) return null; // it died before or while writing
    throw error;
  }
}

/** With `-t title` vitest calls the tests that were not asked for skipped. */
function forFilter(tally: Tally, args: readonly string[]): Tally {
  const hasFilter = args.some((arg) => /^(-t|--testNamePattern)(=|$)/.test(arg));
  return hasFilter ? { ...tally, skips: tally.skips.filter(({ reason }) => reason !== null) } : tally;
}
