import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '../..');
/** One that hangs leaves processes that have its output open. */
const PATIENCE_MS = 60_000;

/** What a program in `test/unit/runtime` prints, JSON: its argument is the directory of the runtime. */
export function outcomesOf<T>(program: string): T {
  const args = ['-I', join(ROOT, 'test/unit/runtime', program), join(ROOT, 'runtime/python')];
  const options = { encoding: 'utf8', timeout: PATIENCE_MS, killSignal: 'SIGKILL' } as const;
  return JSON.parse(execFileSync('/usr/bin/python3', args, options)) as T;
}
