import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { nearest } from '../config/nearest.ts';
import { example, type Setup, UsageError } from './command.ts';
import { exitStatus, explain } from './failure.ts';
import { normaliseFlags } from './flags.ts';

/** The commands, in the order of a cluster's life. Each one's file is loaded when it is asked for: `status` starts fast. */
const COMMANDS: Readonly<Record<string, { summary: string; load: () => Promise<{ setup: Setup }> }>> = {
  new: { summary: 'make a cluster directory', load: () => import('./new.ts') },
  setconf: { summary: 'change settings of new workers', load: () => import('./setconf.ts') },
  upload: { summary: 'put a function into the registry', load: () => import('./upload.ts') },
  ls: { summary: 'list the functions of the registry', load: () => import('./ls.ts') },
  download: { summary: 'fetch a function from the registry', load: () => import('./download.ts') },
  rm: { summary: 'remove a function from the registry', load: () => import('./rm.ts') },
  workers: { summary: 'start workers in the background', load: () => import('./workers.ts') },
  'worker-exec': { summary: 'run one worker in the foreground', load: () => import('./worker-exec.ts') },
  status: { summary: 'ping workers and list their sandboxes', load: () => import('./status.ts') },
  registry: { summary: 'start a registry for handlers', load: () => import('./registry.ts') },
  packages: {
    summary: 'list, install or remove the packages of functions',
    load: () => import('./packages.ts'),
  },
  image: { summary: 'make the image that containers are started from', load: () => import('./image.ts') },
  fit: { summary: 'compute a tree of zygotes for a workload', load: () => import('./fit.ts') },
  simulate: {
    summary: 'compare policies of the import cache on a workload',
    load: () => import('./simulate.ts'),
  },
  unit: { summary: 'print a systemd unit for the workers', load: () => import('./unit.ts') },
  kill: { summary: 'end all workers and sandboxes of a cluster', load: () => import('./kill.ts') },
};

/** Runs one command line; returns the exit status. */
async function main(args: readonly string[]): Promise<number> {
  const words = normaliseFlags(args);
  const asked = words[0] === 'help' ? words[1] : words[0];
  try {
    const program = await buildProgram(asked);
    checkCommand(asked);
    await program.parseAsync(words[0] === 'help' && asked !== undefined ? [asked, '--help'] : words, {
      from: 'user',
    });
    return Number(process.exitCode ?? 0);
  } catch (error) {
    const isKnown = asked !== undefined && Object.hasOwn(COMMANDS, asked);
    const text = explain(error, isKnown ? `admin help ${asked}` : 'admin help');
    const name = isKnown ? `admin ${asked}` : 'admin';
    if (text !== null) process.stderr.write(`${name}: ${text}\n`);
    return exitStatus(error);
  }
}

/** All commands are there for the help; the one that is asked for is complete. */
async function buildProgram(asked: string | undefined): Promise<Command> {
  const program = new Command('admin')
    .description('Manages OpenLambda clusters on this machine.')
    .version(version(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand('help [command]', 'print the help of a command');
  example(program, 'admin new --cluster=my-cluster', 'admin workers --cluster=my-cluster');
  quietly(program);
  for (const [name, { summary, load }] of Object.entries(COMMANDS)) {
    const command = program.command(name).description(summary);
    quietly(command);
    if (name === asked) (await load()).setup(command);
  }
  return program;
}

/** Commander is to throw and leave the words and the exit to us. */
function quietly(command: Command): void {
  command.exitOverride().configureOutput({ outputError: () => {} });
}

function checkCommand(asked: string | undefined): void {
  if (asked === undefined || asked.startsWith('-') || Object.hasOwn(COMMANDS, asked)) return;
  const near = nearest(asked, Object.keys(COMMANDS));
  const hint = near === null ? 'see `admin help`' : `did you mean "${near}"?`;
  throw new UsageError(`unknown command "${asked}": ${hint}`);
}

function version(): string {
  const file = new URL('../../package.json', import.meta.url);
  return JSON.parse(readFileSync(file, 'utf8')).version;
}

// A reader that has seen enough (`admin status | head -1`) is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

process.exitCode = await main(process.argv.slice(2));
