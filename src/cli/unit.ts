import type { Command } from 'commander';
import { SLOTS } from '../cluster/claims.ts';
import { readTemplate, writeWorkerConfig } from '../cluster/config-file.ts';
import { openCluster, workerPaths } from '../cluster/paths.ts';
import { unitText } from '../cluster/unit.ts';
import { OlError } from '../errors.ts';
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
  const first = port ?? template.checked.worker_port;
  if (first + count - 1 > 65_535) throw new OlError('ERR_PORT_RANGE', { count, port: first });
  for (let index = 0; index < count; index++)
    await writeWorkerConfig(template, paths, workerPaths(paths, index), first === 0 ? 0 : first + index);
  const graceMs = template.checked.shutdown_grace_ms;
  say(unitText({ cluster: paths.root, graceMs, node: process.execPath }).trimEnd());
  const names = Array.from({ length: count }, (_, index) => `openlambda@${index}`).join(' ');
  note(`save it as /etc/systemd/system/openlambda@.service, then: systemctl enable --now ${names}`);
}
