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
import { givenSettings, type RegistrySettings, SETTINGS } from './registry-settings.ts';

/** The flags of all commands that work on what is in a registry. */
export interface StoreFlags extends RegistrySettings {
  readonly cluster?: string;
}

/** Those of the ones that work on one function. */
export interface HandlerFlags extends StoreFlags {
  readonly handler?: string;
  readonly file?: string;
}

/** The keys of the template that the settings stand in for. */
const KEYS = {
  address: 'registry_server',
  accessKey: 'registry_access_key',
  secretKey: 'registry_secret_key',
} as const satisfies Record<keyof RegistrySettings, keyof CheckedConfig>;
const NAMES = ['address', 'accessKey', 'secretKey'] as const;

export function addStoreFlags(command: Command): Command {
  const or = (name: keyof RegistrySettings) => `(default: $${SETTINGS[name].variable}, then the template's)`;
  return command
    .option(CLUSTER_FLAG, CLUSTER_HELP)
    .option('--access-key <key>', `access key of an S3 server ${or('accessKey')}`)
    .option('--secret-key <key>', `its secret ${or('secretKey')}`)
    .option('--address <server>', `the S3 server, host:port or a URL ${or('address')}`);
}

/** `fileHelp` says what --file is; null for a command that has none. */
export function addHandlerFlags(command: Command, fileHelp: string | null): Command {
  addStoreFlags(command).option('--handler <name>', 'the name of the function');
  return fileHelp === null ? command : command.option('--file <path>', fileHelp);
}

const MEANING = { handler: 'name the function', file: 'name the bundle or the directory' } as const;

/** The value of a flag that the command can't do without. */
export function need(command: Command, options: HandlerFlags, flag: 'handler' | 'file'): string {
  const value = options[flag];
  if (value === '') throw new UsageError(`--${flag} is empty: ${MEANING[flag]}`);
  if (value !== undefined) return flag === 'handler' ? checkFunctionName(value) : value;
  const file = command.name() === 'rm' ? '' : ' --file=hello.tar.gz';
  const sample = `admin ${command.name()} --cluster=my-cluster --handler=hello${file}`;
  throw new UsageError(`--${flag} is missing: ${MEANING[flag]}, \`${sample}\``);
}

/** Does `work` on the registry of the cluster, at the address and with the keys that were given. */
export async function withStore<T>(
  command: Command,
  flags: StoreFlags,
  work: (store: Store) => Promise<T>,
): Promise<T> {
  const store = await open(command, flags);
  try {
    return await work(store);
  } finally {
    store.close();
  }
}

async function open(command: Command, flags: StoreFlags): Promise<Store> {
  const cluster = needCluster(command, flags);
  const given = givenSettings(flags, NAMES, process.env);
  const paths = await openCluster(cluster);
  const { checked } = await readTemplate(paths);
  if (checked.registry === 'local' && given.address === undefined) {
    checkLocal(flags);
    return await openStore(resolveConfig(checked, paths.template));
  }
  const settings = Object.fromEntries(
    NAMES.flatMap((name) => (given[name] === undefined ? [] : [[KEYS[name], given[name]]])),
  ) as Partial<CheckedConfig>;
  checkConfig(settings, 'the command line and the environment');
  const all = { ...checked, ...settings, registry: 'remote' as const };
  checkComplete(all);
  return await openStore(resolveConfig(all, paths.template));
}

function checkComplete(config: CheckedConfig): void {
  const missing = NAMES.find((name) => config[KEYS[name]] === undefined);
  if (missing === undefined) return;
  const { flag, variable } = SETTINGS[missing];
  throw new UsageError(
    `${flag} is missing: give it, put it into $${variable}, or set ${KEYS[missing]} with \`admin setconf\``,
  );
}

/** Who gives keys means a server: a directory that took the bundle instead would be a surprise. */
function checkLocal({ accessKey, secretKey }: RegistrySettings): void {
  if (accessKey === undefined && secretKey === undefined) return;
  throw new UsageError(
    'the registry of this cluster is a directory, which has no keys: leave --access-key and --secret-key out, ' +
      'or name a server with --address',
  );
}
