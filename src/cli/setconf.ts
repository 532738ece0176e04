import type { Command } from 'commander';
import { setTemplate } from '../cluster/config-file.ts';
import { SECRET_KEYS } from '../config/schema.ts';
import { CLUSTER_FLAG, CLUSTER_HELP, example, needCluster } from './command.ts';
import { say } from './show.ts';

export function setup(command: Command): void {
  command
    .option(CLUSTER_FLAG, CLUSTER_HELP)
    .argument('<json>', 'an object of settings to change; null puts one back to its default')
    .action((json: string, options: { cluster?: string }) => run(needCluster(command, options), json));
  example(command, `admin setconf --cluster=my-cluster '{"max_runners": 5}'`);
}

async function run(cluster: string, json: string): Promise<void> {
  const changes = await setTemplate(cluster, json);
  for (const { key, from, to } of changes) say(`${key}: ${show(key, from)} -> ${show(key, to)}`);
  say(changes.length === 0 ? 'nothing changed' : 'workers take this at their next start');
}

function show(key: string, value: unknown): string {
  if (value !== null && SECRET_KEYS.has(key)) return '(not shown)';
  return value === null ? '(default)' : JSON.stringify(value);
}
