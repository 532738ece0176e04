import { type Command, InvalidArgumentError } from 'commander';

/** A mistake in the command line: exit status 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Fills in one command's flags, action and example. */
export type Setup = (command: Command) => void;

export const CLUSTER_FLAG = '--cluster <dir>';
export const CLUSTER_HELP = 'the cluster directory';

/** The value of --cluster, which every command but `status` and `worker-exec` needs. */
export function needCluster(command: Command, options: { cluster?: string }): string {
  const { cluster } = options;
  if (cluster === undefined) {
    throw new UsageError(
      `--cluster is missing: name the cluster directory, \`admin ${command.name()} --cluster=my-cluster\``,
    );
  }
  if (cluster === '') throw new UsageError('--cluster is empty: name the cluster directory');
  return cluster;
}

/** Reads a whole number from `min` to `max`, for commander. */
export function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const number = Number(text);
    if (/^\d+$/.test(text) && number >= min && number <= max) return number;
    throw new InvalidArgumentError(`a whole number from ${min} to ${max} is expected.`);
  };
}

/** Puts an example below a command's help. */
export function example(command: Command, ...lines: string[]): void {
  command.addHelpText('after', `\nExample:\n${lines.map((line) => `  ${line}`).join('\n')}`);
}
