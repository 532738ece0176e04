import type { Command } from 'commander';
import { readTemplate } from '../cluster/config-file.ts';
import { openCluster } from '../cluster/paths.ts';
import { checkConfig } from '../config/check.ts';
import { resolveConfig } from '../config/load.ts';
import type { CheckedConfig } from '../config/schema.ts';
import { checkFunctionName } from '../registry/names.ts';
import { openStore } from '../registry/store/open.ts';
import type { Store } from '../registry/store/store.ts';
import { CLUSTER_FLAG, CLUSTER_HELP, needCluster, UsageError } from './command.ts';

/** The flags of all commands that work on the registry. */
export interface RegistryFlags {
  readonly cluster?: string;
  readonly accessKey?: string;
  readonly secretKey?: string;
  readonly address?: string;
}

export interface HandlerFlags extends RegistryFlags {
  readonly handler?: string;
  readonly file?: string;
}

/**
 * The flags, the keys of the template that they stand in for, and the variables that stand in for the flags: a secret need
 * not be on a command line, which every user of the machine can read.
 */
const SETTINGS = [
  { name: 'address', flag: 'address', key: 'registry_server', variable: 'OL_REGISTRY_SERVER' },
  { name: 'accessKey', flag: 'access-key', key: 'registry_access_key', variable: 'OL_REGISTRY_ACCESS_KEY' },
  { name: 'secretKey', flag: 'secret-key', key: 'registry_secret_key', variable: 'OL_REGISTRY_SECRET_KEY' },
] as const;

export function addRegistryFlags(command: Command): Command {
  return command
    .option(CLUSTER_FLAG, CLUSTER_HELP)
    .option('--access-key <key>', "access key (default: $OL_REGISTRY_ACCESS_KEY, then the template's)")
    .option('--secret-key <key>', "secret key (default: $OL_REGISTRY_SECRET_KEY, then the template's)")
    .option('--address <server>', "the S3 server (default: $OL_REGISTRY_SERVER, then the template's)");
}

/** The value of a flag that the command can't do without; `sample` is one for the example. */
export function need(command: Command, options: HandlerFlags, flag: 'handler' | 'file'): string {
  const value = options[flag];
  if (value === '') throw new UsageError(`--${flag} is empty: ${MEANING[flag]}`);
  if (value !== undefined) return flag === 'handler' ? checkFunctionName(value) : value;
  throw new UsageError(`--${flag} is missing: ${MEANING[flag]}, \`${exampleOf(command)}\``);
}

const MEANING = { handler: 'name the function', file: 'name the bundle or the directory' } as const;

/** The first example of the command's help. */
function exampleOf(command: Command): string {
  const file = command.name() === 'rm' ? '' : ' --file=hello.tar.gz';
  return `admin ${command.name()} --cluster=my-cluster --handler=hello${file}`;
}

/** Does `work` on the registry of the cluster, at the address and with the keys that were given. */
export async function withStore<T>(
  command: Command,
  flags: RegistryFlags,
  work: (store: Store) => Promise<T>,
): Promise<T> {
  const store = await open(command, flags);
  try {
    return await work(store);
  } finally {
    store.close();
  }
}

async function open(command: Command, flags: RegistryFlags): Promise<Store> {
  const paths = await openCluster(needCluster(command, flags));
  const { checked } = await readTemplate(paths);
  const isRemote = checked.registry === 'remote' || flags.address !== undefined;
  if (!isRemote) {
    checkLocal(flags);
    return await openStore(resolveConfig(checked, paths.template));
  }
  const settings = settingsOf(flags, process.env);
  checkConfig(settings, 'the command line and the environment');
  const all = { ...checked, ...settings, registry: 'remote' as const };
  checkComplete(all);
  return await openStore(resolveConfig(all, paths.template));
}

/** What the flags, or else the environment, say in the place of the template. */
function settingsOf(flags: RegistryFlags, env: NodeJS.ProcessEnv): Partial<CheckedConfig> {
  const given = SETTINGS.flatMap(({ name, key, variable }) => {
    const value = flags[name] ?? env[variable];
    return value === undefined || value === '' ? [] : [[key, value]];
  });
  return Object.fromEntries(given);
}

function checkComplete(config: CheckedConfig): void {
  const missing = SETTINGS.find(({ key }) => config[key] === undefined);
  if (missing === undefined) return;
  const { flag, variable, key } = missing;
  throw new UsageError(
    `--${flag} is missing: give it, put it into $${variable}, or set ${key} with \`admin setconf\``,
  );
}

/** Who gives keys means a server: a directory that took the bundle instead would be a surprise. */
function checkLocal({ accessKey, secretKey }: RegistryFlags): void {
  if (accessKey === undefined && secretKey === undefined) return;
  throw new UsageError(
    'the registry of this cluster is a directory, which has no keys: leave --access-key and --secret-key out, ' +
      'or name a server with --address',
  );
}
