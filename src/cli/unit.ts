import type { Command } from 'commander';
import { readTemplate, writeWorkerConfig } from '../cluster/config-file.ts';
import { planWorkers } from '../cluster/launch.ts';
import { openCluster } from '../cluster/paths.ts';
import { unitText } from '../cluster/unit.ts';
import { example, needCluster } from './command.ts';
import { note, say } from './show.ts';
import { addWorkerFlags, countAndPort, type WorkerFlags } from './worker-flags.ts';

export function setup(command: Command): void {
  addWorkerFlags(command, { count: 'for how many workers to write config files', zero: null }).action(
    (flags: WorkerFlags) => run(needCluster(command, flags), flags),
  );
  example(
    command,
    'admin unit --cluster=/srv/my-cluster > /etc/systemd/system/openlambda@.service',
    'systemctl enable --now openlambda@0',
  );
}

/** Writes the config files that the unit names, as `workers` would, and prints the unit. */
async function run(cluster: string, flags: WorkerFlags): Promise<void> {
  const paths = await openCluster(cluster);
  const template = await readTemplate(paths);
  const plans = planWorkers(paths, template, countAndPort(flags));
  for (const plan of plans) await writeWorkerConfig(template, paths, plan.worker, plan.port);
  const graceMs = template.checked.shutdown_grace_ms;
  say(unitText({ cluster: paths.root, graceMs, node: process.execPath }).trimEnd());
  const names = plans.map((_, index) => `openlambda@${index}`).join(' ');
  note(`save it as /etc/systemd/system/openlambda@.service, then: systemctl enable --now ${names}`);
}
