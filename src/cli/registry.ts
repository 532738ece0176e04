import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import { clusterPaths } from '../cluster/paths.ts';
import type { RegistryOptions } from '../cluster/registry-config.ts';
import { type StartedRegistry, startRegistry } from '../cluster/registry-launch.ts';
import { CLUSTER_FLAG, example, needCluster, UsageError, wholeNumber } from './command.ts';
import { givenSettings } from './registry-settings.ts';
import { note, say, shellWord, showPath } from './show.ts';

interface Options extends RegistryOptions {
  readonly cluster?: string;
  readonly foreground?: boolean;
}

export function setup(command: Command): void {
  command
    .option(CLUSTER_FLAG, 'the cluster directory (default: the working directory, where that is one)')
    .option(
      '--port <port>',
      'where to listen; 0 takes a free one (default: as before, else 9000)',
      wholeNumber(0, 65_535),
    )
    .option('--host <host>', 'address to listen on (default: as before, else localhost)')
    .option(
      '--access-key <key>',
      'who may use it (default: $OL_REGISTRY_ACCESS_KEY, as before, else a new one)',
    )
    .option('--secret-key <key>', 'its secret (default: $OL_REGISTRY_SECRET_KEY, as before, else a new one)')
    .option('--foreground', 'serve in this process, for supervisors')
    .action((options: Options) => run(command, options));
  example(
    command,
    'admin registry --cluster=my-cluster',
    'admin registry --cluster=my-cluster --port=9000 --access-key=KEY --secret-key=SECRET',
  );
}

async function run(command: Command, options: Options): Promise<void> {
  const cluster = options.cluster === undefined ? here() : needCluster(command, options);
  const asked = askedOf(options);
  if (!options.foreground) return tell(cluster, await startRegistry(cluster, asked));
  const { serveRegistry } = await import('./registry-serve.ts');
  await serveRegistry(cluster, asked);
}

/** The seed's examples name no cluster. */
function here(): string {
  if (existsSync(clusterPaths('.').template)) return '.';
  throw new UsageError(
    '--cluster is missing, and the working directory is no cluster: name the cluster directory, `admin registry --cluster=my-cluster`',
  );
}

function askedOf({ host, port, ...flags }: Options): RegistryOptions {
  if (host === '') throw new UsageError('--host is empty: name an address of this machine, or leave it out');
  return {
    ...(host === undefined ? {} : { host }),
    ...(port === undefined ? {} : { port }),
    ...givenSettings(flags, ['accessKey', 'secretKey'], process.env),
  };
}

function tell(cluster: string, { url, pid, log, newKeys }: StartedRegistry): void {
  say(`registry  ${url}  pid ${pid}  log ${showPath(log)}`);
  const { accessKey, secretKey } = newKeys;
  if (accessKey !== undefined) say(`access key  ${accessKey}`);
  if (secretKey !== undefined) say(`secret key  ${secretKey}`);
  if (accessKey !== undefined || secretKey !== undefined) {
    note(
      'new keys are shown this once; they are in config/registry.json and the template, for you alone to read',
    );
  }
  const flag = `--cluster=${shellWord(cluster)}`;
  note('workers take it at their next start. Next:');
  note(`  admin upload ${flag} --handler=hello --file=quickstart/handlers/hello`);
  note(`  admin workers ${flag}`);
}
