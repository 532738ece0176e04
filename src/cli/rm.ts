import type { Command } from 'commander';
import { example } from './command.ts';
import { say } from './show.ts';
import { addHandlerFlags, type HandlerFlags, need, withStore } from './store.ts';

export function setup(command: Command): void {
  addHandlerFlags(command, null).action((options: HandlerFlags) => run(command, options));
  example(command, 'admin rm --cluster=my-cluster --handler=hello');
}

async function run(command: Command, options: HandlerFlags): Promise<void> {
  const name = need(command, options, 'handler');
  await withStore(command, options, async (store) => {
    await store.remove(name);
    say(`removed ${name} from ${store.place}`);
  });
}
