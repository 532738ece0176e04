import type { Command } from 'commander';
import { SLOTS } from '../cluster/claims.ts';
import { readTemplate, writeWorkerConfig } from '../cluster/config-file.ts';
import { planWorkers } from '../cluster/launch.ts';
import { openCluster } from '../cluster/paths.ts';
import { unitText } from '../cluster/unit.ts';
import { CLUSTER_FLAG, CLUSTER_HELP, example, needCluster, wholeNumber } from './command.ts';
import { note, say } from './show.ts';

interface Options {
  readonly cluster?: string;
  readonly numWorkers: number;
  readonly port?: number;
}

export function setup(command: Command): void {
  command
    .option(CLUSTER_FLAG, CLUSTER_HELP)
    .option('--num-workers <n>', 'for how many workers to write config files', wholeNumber(1, SLOTS), 1)
    .option(
      '--port <port>',
      'port of the first one, the next ones follow (default: worker_port of the template)',
      wholeNumber(1, 65_535),
    )
    .action((options: Options) => run(needCluster(command, options), options));
  example(
    command,
    'admin unit --cluster=/srv/my-cluster > /etc/systemd/system/openlambda@.service',
    'systemctl enable --now openlambda@0',
  );
}

/** Writes the config files that the unit names, as `workers` would, and prints the unit. */
async function run(cluster: string, { numWorkers: count, port }: Options): Promise<void> {
  const paths = await openCluster(cluster);
  const template = await readTemplate(paths);
  const plans = planWorkers(paths, template, { count, ...(port === undefined ? {} : { port }) });
  for (const plan of plans) await writeWorkerConfig(template, paths, plan.worker, plan.port);
  const graceMs = template.checked.shutdown_grace_ms;
  say(unitText({ cluster: paths.root, graceMs, node: process.execPath }).trimEnd());
  const names = plans.map((_, index) => `openlambda@${index}`).join(' ');
  note(`save it as /etc/systemd/system/openlambda@.service, then: systemctl enable --now ${names}`);
}
