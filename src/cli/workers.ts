import type { Command } from 'commander';
import { SLOTS } from '../cluster/claims.ts';
import { type StartStep, startWorkers } from '../cluster/launch.ts';
import { CLUSTER_FLAG, CLUSTER_HELP, example, needCluster, wholeNumber } from './command.ts';
import { note, say, showPath } from './show.ts';

interface Options {
  readonly cluster?: string;
  readonly numWorkers: number;
  readonly port?: number;
}

export function setup(command: Command): void {
  command
    .option(CLUSTER_FLAG, CLUSTER_HELP)
    .option('--num-workers <n>', 'how many workers to start', wholeNumber(1, SLOTS), 1)
    .option(
      '--port <port>',
      'port of the first one, the next ones follow; 0 takes free ones (default: worker_port of the template)',
      wholeNumber(0, 65_535),
    )
    .action((options: Options) => run(needCluster(command, options), options));
  example(
    command,
    'admin workers --cluster=my-cluster',
    'admin workers --cluster=my-cluster --num-workers=3 --port=9000',
  );
}

async function run(cluster: string, { numWorkers, port }: Options): Promise<void> {
  await startWorkers(cluster, { count: numWorkers, ...(port === undefined ? {} : { port }), onStep: tell });
}

function tell(step: StartStep): void {
  if (step.kind === 'started') {
    const { name, url, pid, log } = step.worker;
    say(`${name}  ${url}  pid ${pid}  log ${showPath(log)}`);
  } else if (step.kind === 'stale-pid') {
    const now = step.program === null ? 'no process has that id' : `that process is ${step.program} now`;
    note(`${step.worker}: its pid file was stale (${step.pid}, ${now})`);
  }
}
