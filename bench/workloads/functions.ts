import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { shuffled } from '../../src/zygote/simulation/random.ts';

/** One of `functions.json`; it answers its own name. */
export interface RealFunction {
  readonly name: string;
  readonly requirements: readonly string[];
  readonly imports: readonly string[];
}

export const FUNCTIONS_FILE = fileURLToPath(new URL('functions.json', import.meta.url));
export const COSTS_FILE = fileURLToPath(new URL('package-costs.json', import.meta.url));
const SEED = 1;

/** All of them, in an order that is always the same one; where fewer are wanted, those with the fewest packages. */
export function chooseFunctions(count: number): RealFunction[] {
  const all = JSON.parse(readFileSync(FUNCTIONS_FILE, 'utf8')) as RealFunction[];
  if (count >= all.length) return shuffled(all, SEED);
  const some = all.filter(({ requirements }) => requirements.length > 0);
  return some.sort((a, b) => a.requirements.length - b.requirements.length).slice(0, count);
}

export function codeOf({ name, imports }: RealFunction): string {
  const lines = imports.map((module) => `import ${module}\n`);
  return `${lines.join('')}\n\ndef handler(event):\n    return ${JSON.stringify(name)}\n`;
}
