import type { Command } from 'commander';
import { readWorkload, type Workload } from '../zygote/workload-file.ts';
import { UsageError } from './command.ts';
import { note } from './show.ts';

export const WORKLOAD_FLAG = '--workload <file>';
export const WORKLOAD_HELP = 'the list of functions, with what they require and import (JSON)';
export const COSTS_FLAG = '--costs <file>';
export const COSTS_HELP = 'what the packages cost to import (JSON; default: every package the same)';

/** Most kB that a budget may have: a petabyte, as in the config. */
export const BUDGET_MAX_KB = 2 ** 40;

export interface WorkloadOptions {
  readonly workload?: string;
  readonly costs?: string;
}

/** The value of --workload. */
export function needWorkloadFlag(command: Command, { workload }: WorkloadOptions): string {
  if (workload !== undefined && workload !== '') return workload;
  const name = command.name();
  throw new UsageError(`--workload is missing: name the file, \`admin ${name} --workload=functions.json\``);
}

/** Reads what --workload and --costs name; tells of packages without costs on stderr. */
export function needWorkload(command: Command, options: WorkloadOptions): Workload {
  const { costs } = options;
  const read = readWorkload(needWorkloadFlag(command, options), costs ?? null);
  const { unknown } = read;
  if (costs !== undefined && unknown.length > 0) {
    const some = unknown.slice(0, 3).join(', ') + (unknown.length > 3 ? ', ...' : '');
    note(`${costs} has nothing of ${unknown.length} packages (${some}): they are taken to cost the mean`);
  }
  return read;
}
