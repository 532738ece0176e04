import type { Command } from 'commander';
import { SLOTS } from '../cluster/claims.ts';
import { CLUSTER_FLAG, CLUSTER_HELP, wholeNumber } from './command.ts';

/** Which workers of a cluster, and at which ports. */
export interface WorkerFlags {
  readonly cluster?: string;
  readonly numWorkers: number;
  readonly port?: number;
}

interface Words {
  /** What --num-workers counts. */
  readonly count: string;
  /** What port 0 does; null where it may not be given. */
  readonly zero: string | null;
}

export function addWorkerFlags(command: Command, { count, zero }: Words): Command {
  const next = `the next ones follow${zero === null ? '' : `; 0 ${zero}`}`;
  return command
    .option(CLUSTER_FLAG, CLUSTER_HELP)
    .option('--num-workers <n>', count, wholeNumber(1, SLOTS), 1)
    .option(
      '--port <port>',
      `port of the first one, ${next} (default: worker_port of the template)`,
      wholeNumber(zero === null ? 1 : 0, 65_535),
    );
}

/** As `startWorkers` and `planWorkers` have it. */
export function countAndPort({ numWorkers, port }: WorkerFlags): { count: number; port?: number } {
  return { count: numWorkers, ...(port === undefined ? {} : { port }) };
}
