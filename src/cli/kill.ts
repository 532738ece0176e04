import type { Command } from 'commander';
import { realpathOf } from '../cluster/paths.ts';
import { type StopStep, stopCluster } from '../cluster/stop.ts';
import { removeContainersOfCluster } from '../docker/clean-up.ts';
import { cleanUps } from '../sandbox/clean-up.ts';
import { CLUSTER_FLAG, CLUSTER_HELP, example, needCluster } from './command.ts';
import { note, say } from './show.ts';

export function setup(command: Command): void {
  command
    .option(CLUSTER_FLAG, CLUSTER_HELP)
    .action((options: { cluster?: string }) => run(needCluster(command, options)));
  example(command, 'admin kill --cluster=my-cluster');
}

async function run(cluster: string): Promise<void> {
  const stopped = await stopCluster(cluster, { onStep: tell, ...cleanUps });
  await removeContainersOfCluster(await realpathOf(cluster), (socket) =>
    note(
      `no Docker daemon answers at ${socket}: containers of ${cluster} that it may know of could not be removed`,
    ),
  );
  if (stopped.length === 0) say(`nothing runs in ${cluster}: there is nothing to end`);
}

function tell(step: StopStep): void {
  if (step.kind === 'stopped') {
    const { name, pid, how } = step.worker;
    say(`${name}  pid ${pid}  ${how === 'ended' ? 'ended' : 'killed: it did not end when it was told to'}`);
  } else if (process.stderr.isTTY) {
    note(`${step.worker}: ending pid ${step.pid}, its requests have ${step.graceMs / 1000} s`);
  }
}
