import type { Command } from 'commander';
import { example } from './command.ts';
import { addRegistryFlags, type HandlerFlags, need, withStore } from './registry-flags.ts';
import { say } from './show.ts';

export function setup(command: Command): void {
  addRegistryFlags(command)
    .option('--handler <name>', 'the name of the function')
    .action((options: HandlerFlags) => run(command, options));
  example(command, 'admin rm --cluster=my-cluster --handler=hello');
}

async function run(command: Command, options: HandlerFlags): Promise<void> {
  const name = need(command, options, 'handler');
  await withStore(command, options, async (store) => {
    await store.remove(name);
    say(`removed ${name} from ${store.place}`);
  });
}
