import type { Command } from 'commander';
import { writeFileAtomic } from '../linux/durable.ts';
import { type FittedNode, fitTree } from '../zygote/fit.ts';
import { treeFileText } from '../zygote/tree-file.ts';
import { statisticsOf } from '../zygote/workload-file.ts';
import { example, UsageError, wholeNumber } from './command.ts';
import { say, shellWord } from './show.ts';
import {
  BUDGET_MAX_KB,
  COSTS_FLAG,
  COSTS_HELP,
  needWorkload,
  needWorkloadFlag,
  WORKLOAD_FLAG,
  WORKLOAD_HELP,
  type WorkloadOptions,
} from './workload.ts';

interface Options extends WorkloadOptions {
  readonly budget?: number;
  readonly out?: string;
  readonly json?: boolean;
}

export function setup(command: Command): void {
  command
    .option(WORKLOAD_FLAG, WORKLOAD_HELP)
    .option(COSTS_FLAG, COSTS_HELP)
    .option('--budget <kB>', 'memory that the zygotes may take together', wholeNumber(0, BUDGET_MAX_KB))
    .option('--out <file>', 'where to write the tree')
    .option('--json', 'print data')
    .action((options: Options) => run(command, options));
  example(command, 'admin fit --workload=functions.json --costs=costs.json --budget=1048576 --out=tree.json');
}

async function run(command: Command, options: Options): Promise<void> {
  const { budget, out, json = false } = options;
  needWorkloadFlag(command, options);
  if (budget === undefined) throw new UsageError('--budget is missing: give the kB, `--budget=1048576`');
  if (out === undefined || out === '') {
    throw new UsageError('--out is missing: name the file to write, `--out=tree.json`');
  }
  const workload = needWorkload(command, options);
  const statistics = statisticsOf(workload);
  const tree = fitTree(statistics, budget);
  await writeFileAtomic(out, treeFileText(tree, workload));
  const sum = summarise(tree);
  if (json) return say(JSON.stringify({ out, budgetKb: budget, ...sum }, null, 2));
  const calls = statistics.groups.reduce((all, group) => all + group.calls, 0);
  const perCall = calls === 0 ? 0 : sum.savedMs / calls;
  say(
    `wrote ${out}: ${sum.zygotes} zygotes, ${mib(sum.kb)} of ${mib(budget)} MiB, ${sum.depth} deep at most`,
  );
  say(`they save ${perCall.toFixed(1)} ms a call; replay it: ${replayCommand(out, options)}`);
}

function replayCommand(out: string, { workload = '', costs }: Options): string {
  const rest = costs === undefined ? '' : ` --costs=${shellWord(costs)}`;
  return `admin simulate --workload=${shellWord(workload)}${rest} --policy=root,tree --tree=${shellWord(out)}`;
}

interface Sum {
  readonly zygotes: number;
  readonly kb: number;
  readonly depth: number;
  /** By all calls of the list, against forks from the root zygote. */
  readonly savedMs: number;
}

/** `aboveMs` is what the ancestors save. */
function summarise(node: FittedNode, aboveMs = 0, depth = 0): Sum {
  const ms = aboveMs + node.importMs;
  const below = node.children.map((child) => summarise(child, ms, depth + 1));
  return {
    zygotes: below.reduce((sum, { zygotes }) => sum + zygotes, depth === 0 ? 0 : 1),
    kb: below.reduce((sum, { kb }) => sum + kb, Math.round(node.kb)),
    depth: below.reduce((most, one) => Math.max(most, one.depth), depth),
    savedMs: below.reduce((sum, { savedMs }) => sum + savedMs, ms * node.calls),
  };
}

function mib(kb: number): string {
  return (kb / 1024).toFixed(kb < 10_240 ? 1 : 0);
}
