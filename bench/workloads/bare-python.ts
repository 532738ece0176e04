import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { codeOf, type RealFunction } from './functions.ts';
import type { Prepared } from './prepare.ts';

const PYTHON = '/usr/bin/python3';
const run = promisify(execFile);

/** Starts an interpreter, as anybody would without a worker, and has it import and call the function once. */
export async function barePython(one: RealFunction, { packagesDir, dirs }: Prepared): Promise<void> {
  const paths = (dirs.get(one.name) ?? []).map((dir) => join(packagesDir, dir));
  const program = `import sys\nsys.path += ${JSON.stringify(paths)}\n${codeOf(one)}\nprint(handler(None))\n`;
  const { stdout } = await run(PYTHON, ['-I', '-S', '-B', '-c', program], { maxBuffer: 2 ** 24 });
  if (!stdout.endsWith(`${one.name}\n`)) throw new Error(`${one.name}: ${stdout}`);
}
