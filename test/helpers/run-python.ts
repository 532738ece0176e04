import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

/** What a program of `test/fixtures` prints as JSON when it gets `input` as JSON. */
export function runPython<T>(program: string, input: unknown): T {
  const path = join(import.meta.dirname, '../fixtures', program);
  const options = { input: JSON.stringify(input), encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 } as const;
  return JSON.parse(execFileSync('/usr/bin/python3', ['-I', path], options)) as T;
}
