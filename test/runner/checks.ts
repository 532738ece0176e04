import { runNode } from './command.ts';
import { addTallies, EMPTY, type Tally } from './tally.ts';

const CHECKS = [
  { title: 'Lint', argv: ['node_modules/@biomejs/biome/bin/biome', 'check', '--error-on-warnings', '.'] },
  { title: 'Types', argv: ['node_modules/typescript/bin/tsc', '--project', '.'] },
];

/** Lint and types, each as a test that passes or fails. */
export async function runChecks(root: string): Promise<Tally> {
  let tally = EMPTY;
  for (const { title, argv } of CHECKS) {
    console.log(`\n${title}`);
    const isFine = (await runNode(argv, root)) === 0;
    tally = addTallies(tally, { ...EMPTY, passed: isFine ? 1 : 0, failures: isFine ? [] : [title] });
  }
  return tally;
}
