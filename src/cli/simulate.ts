import { type Command, InvalidArgumentError } from 'commander';
import { nearest } from '../config/nearest.ts';
import { writeFileAtomic } from '../linux/durable.ts';
import { plot } from '../zygote/simulation/plot.ts';
import {
  ABOUT_POLICIES,
  makePolicy,
  POLICY_NAMES,
  type PolicyName,
  usesBudget,
} from '../zygote/simulation/policies.ts';
import { type Replayed, replay } from '../zygote/simulation/replay.ts';
import { readTreeFile, type TreeFileNode } from '../zygote/tree-file.ts';
import type { Workload } from '../zygote/workload-file.ts';
import { example, UsageError, wholeNumber } from './command.ts';
import { note, say } from './show.ts';
import { simulateTable } from './simulate-text.ts';
import {
  BUDGET_MAX_KB,
  COSTS_FLAG,
  COSTS_HELP,
  needWorkload,
  WORKLOAD_FLAG,
  WORKLOAD_HELP,
  type WorkloadOptions,
} from './workload.ts';

interface Options extends WorkloadOptions {
  readonly policy: readonly PolicyName[];
  readonly budget?: readonly number[];
  readonly tree?: string;
  readonly clients: number;
  readonly cores: number;
  readonly rounds: number;
  readonly seed: number;
  readonly svg?: string;
  readonly json?: boolean;
}

const GIB = 1024 * 1024;
/** What a drawing has where no budgets are named: 64 MiB to 8 GiB. */
const SWEEP = [1 / 16, 1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8].map((part) => part * GIB);
const ALL_BUT_TREE = POLICY_NAMES.filter((name) => name !== 'tree');

export function setup(command: Command): void {
  command
    .option(WORKLOAD_FLAG, WORKLOAD_HELP)
    .option(COSTS_FLAG, COSTS_HELP)
    .option(
      '--policy <names>',
      'which policies, with commas between (default: all but tree)',
      policies,
      ALL_BUT_TREE,
    )
    .option('--budget <kB>', 'memory for zygotes; several with commas between (default: 1 GiB)', kbList)
    .option('--tree <file>', 'the tree of the policy `tree`, as `admin fit` writes it')
    .option('--clients <n>', 'clients, each with one call at a time', wholeNumber(1, 10_000), 5)
    .option('--cores <n>', 'cores of the machine', wholeNumber(1, 1024), 2)
    .option('--rounds <n>', 'how often each function is called', wholeNumber(1, 1000), 1)
    .option('--seed <n>', 'for the order of the calls', wholeNumber(0, 2 ** 31), 1)
    .option('--svg <file>', 'where to draw latency against memory')
    .option('--json', 'print data')
    .action((options: Options) => run(command, options));
  command.addHelpText(
    'after',
    `\nPolicies:\n${ABOUT_POLICIES.map(([name, about]) => `  ${name.padEnd(15)} ${about}`).join('\n')}`,
  );
  example(
    command,
    'admin simulate --workload=functions.json --costs=costs.json',
    'admin simulate --workload=functions.json --policy=root,learned --budget=262144,1048576 --svg=plot.svg',
  );
}

async function run(command: Command, options: Options): Promise<void> {
  if (options.policy.includes('tree') && options.tree === undefined) {
    throw new UsageError('--tree is missing: the policy `tree` needs a file, as `admin fit` writes it');
  }
  const workload = needWorkload(command, options);
  const given = options.tree === undefined ? null : readTreeFile(options.tree);
  const results = options.policy.flatMap((name) => replayAll(name, workload, given, options));
  if (options.json) say(JSON.stringify({ results }, null, 2));
  else say(simulateTable(results));
  if (options.svg === undefined) return;
  await writeFileAtomic(options.svg, plot(results));
  note(`wrote ${options.svg}`);
}

/** One result for each budget, where the policy has one. */
function replayAll(
  name: PolicyName,
  workload: Workload,
  given: TreeFileNode | null,
  options: Options,
): Replayed[] {
  const budgets = options.budget ?? (options.svg === undefined ? [GIB] : SWEEP);
  const kbs = usesBudget(name) ? budgets : [0];
  return kbs.map((kb) => replay(workload, makePolicy(name, workload, kb, given), kb, options));
}

function policies(text: string): PolicyName[] {
  return text.split(',').map((word) => {
    const name = POLICY_NAMES.find((known) => known === word);
    if (name !== undefined) return name;
    const near = nearest(word, POLICY_NAMES);
    const hint = near === null ? `there are ${POLICY_NAMES.join(', ')}` : `did you mean "${near}"?`;
    throw new InvalidArgumentError(`unknown policy "${word}": ${hint}`);
  });
}

function kbList(text: string): number[] {
  return text.split(',').map(wholeNumber(0, BUDGET_MAX_KB));
}
