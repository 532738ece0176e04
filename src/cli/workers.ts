import type { Command } from 'commander';
import { type StartStep, startWorkers } from '../cluster/launch.ts';
import { example, needCluster } from './command.ts';
import { note, say, showPath } from './show.ts';
import { addWorkerFlags, countAndPort, type WorkerFlags } from './worker-flags.ts';

export function setup(command: Command): void {
  addWorkerFlags(command, { count: 'how many workers to start', zero: 'takes free ones' }).action(
    (flags: WorkerFlags) => run(needCluster(command, flags), flags),
  );
  example(
    command,
    'admin workers --cluster=my-cluster',
    'admin workers --cluster=my-cluster --num-workers=3 --port=9000',
  );
}

async function run(cluster: string, flags: WorkerFlags): Promise<void> {
  await startWorkers(cluster, { ...countAndPort(flags), onStep: tell });
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
