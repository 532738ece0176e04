import type { Command } from 'commander';
import type { StoredFunction } from '../registry/store/store.ts';
import { example } from './command.ts';
import { say, showBytes } from './show.ts';
import { addStoreFlags, type StoreFlags, withStore } from './store.ts';

interface Options extends StoreFlags {
  readonly json?: boolean;
}

const VERSION_CHARACTERS = 16;

export function setup(command: Command): void {
  addStoreFlags(command)
    .option('--json', 'print data')
    .action((options: Options) => run(command, options));
  example(command, 'admin ls --cluster=my-cluster', 'admin ls --cluster=my-cluster --json');
}

async function run(command: Command, options: Options): Promise<void> {
  await withStore(command, options, async (store) => {
    const functions = await store.list();
    if (options.json)
      return say(JSON.stringify({ registry: store.place, functions: functions.map(asData) }, null, 2));
    for (const line of lines(functions)) say(line);
    say(`${functions.length} ${functions.length === 1 ? 'function' : 'functions'} in ${store.place}`);
  });
}

function asData({ name, bytes, changedMs, version, problem }: StoredFunction) {
  return { name, bytes, changed: new Date(changedMs).toISOString(), version, problem };
}

function lines(functions: readonly StoredFunction[]): string[] {
  const rows = functions.map((one) => [one.name, showBytes(one.bytes), timeOf(one), stateOf(one)]);
  const widths = [0, 1, 2].map((column) => Math.max(0, ...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map(([name = '', size = '', time = '', state = '']) =>
    [name.padEnd(widths[0] ?? 0), size.padStart(widths[1] ?? 0), time, state].join('  '),
  );
}

function timeOf({ changedMs }: StoredFunction): string {
  return new Date(changedMs).toISOString().replace(/\.\d+Z$/, 'Z');
}

function stateOf({ version, problem }: StoredFunction): string {
  if (problem !== null) return `refused: ${problem}`;
  return version?.slice(0, VERSION_CHARACTERS) ?? '(put there by other means)';
}
