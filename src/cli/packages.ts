import type { Command } from 'commander';
import { connectWorker, type WorkerClient } from '../client/worker-client.ts';
import { readTemplate } from '../cluster/config-file.ts';
import { type ClusterPaths, openCluster } from '../cluster/paths.ts';
import { clusterReport } from '../cluster/report.ts';
import { type Config, resolveConfig } from '../config/load.ts';
import { OlError } from '../errors.ts';
import {
  functionsWithPackages,
  type InstalledPackage,
  listPackages,
  prunePackages,
} from '../packages/inventory.ts';
import { PackageStore } from '../packages/store.ts';
import { CLUSTER_FLAG, CLUSTER_HELP, example, needCluster, UsageError } from './command.ts';
import { note, say, shellWord } from './show.ts';

interface Options {
  readonly cluster?: string;
  readonly json?: boolean;
  readonly dryRun?: boolean;
}

interface Place {
  readonly paths: ClusterPaths;
  readonly config: Config;
}

/** How long a package that somebody installs right now is waited for before it is removed. */
const WAIT_MS = 60_000;
/** The worker bounds resolving and installing itself. */
const INSTALL_MS = 3_600_000;
const BYTES_PER_MB = 1024 * 1024;

type Action = (place: Place, functions: readonly string[], options: Options) => Promise<void>;
const ACTIONS: Readonly<Record<string, Action>> = { list, install, prune };

export function setup(command: Command): void {
  command
    .argument(
      '<action>',
      'list: what is installed; install: ahead of the first call; prune: remove what no function uses',
    )
    .argument('[functions...]', 'whose packages to install (default: of all functions)')
    .option(CLUSTER_FLAG, CLUSTER_HELP)
    .option('--json', 'list: print data')
    .option('--dry-run', 'prune: only say what would be removed')
    .action((action: string, functions: string[], options: Options) =>
      run(command, action, functions, options),
    );
  example(
    command,
    'admin packages list --cluster=my-cluster',
    'admin packages install --cluster=my-cluster hello',
    'admin packages prune --cluster=my-cluster --dry-run',
  );
}

async function run(
  command: Command,
  name: string,
  functions: readonly string[],
  options: Options,
): Promise<void> {
  const action = Object.hasOwn(ACTIONS, name) ? ACTIONS[name] : undefined;
  if (action === undefined) throw new UsageError(`unknown action "${name}": list, install or prune`);
  const paths = await openCluster(needCluster(command, options));
  const { checked } = await readTemplate(paths);
  await action({ paths, config: resolveConfig(checked, paths.template) }, functions, options);
}

async function list({ config }: Place, _: readonly string[], { json = false }: Options): Promise<void> {
  const packages = await listPackages(await PackageStore.open(config.pkgsDir), config);
  if (json) return say(JSON.stringify({ packages }, null, 2));
  for (const one of packages) say(`${shownPackage(one)}  ${one.usedBy.join(' ') || '(unused)'}`);
  say(`${packages.length} packages, ${megabytes(packages)} MB`);
}

async function prune(
  { config }: Place,
  _: readonly string[],
  { dryRun: isDry = false }: Options,
): Promise<void> {
  const store = await PackageStore.open(config.pkgsDir);
  const removed = await prunePackages(store, config, { isDry, waitMs: WAIT_MS });
  for (const one of removed) say(shownPackage(one));
  say(`${isDry ? 'would remove' : 'removed'} ${removed.length} packages, ${megabytes(removed)} MB`);
}

/** By a worker that runs: it has the sandboxes for it. */
async function install({ paths, config }: Place, functions: readonly string[]): Promise<void> {
  const names = functions.length > 0 ? functions : await functionsWithPackages(config);
  const worker = await readyWorker(paths);
  let failed = 0;
  try {
    for (const [at, name] of names.entries()) {
      note(`[${at + 1}/${names.length}] ${name}`);
      if (!(await installFor(worker, name))) failed++;
    }
  } finally {
    worker.close();
  }
  if (failed > 0) process.exitCode = 1;
}

async function installFor(worker: WorkerClient, name: string): Promise<boolean> {
  const start = performance.now();
  const { status, body } = await worker.request(`/packages/${encodeURIComponent(name)}`, {
    method: 'POST',
    timeoutMs: INSTALL_MS,
  });
  const answer = JSON.parse(body) as { packages?: unknown[]; error?: { message: string } };
  if (status === 200) {
    say(`${name}  ${answer.packages?.length ?? 0} packages  ${Math.round(performance.now() - start)} ms`);
    return true;
  }
  note(`${name}: ${answer.error?.message ?? body}`);
  return false;
}

async function readyWorker(paths: ClusterPaths): Promise<WorkerClient> {
  const { workers } = await clusterReport(paths.root, connectWorker);
  const ready = workers.find(({ ping }) => 'status' in ping && ping.status === 200);
  if (ready !== undefined) return connectWorker(ready.url);
  const command = `admin workers --cluster=${shellWord(paths.root)}`;
  throw new OlError('ERR_NO_WORKER', { where: `in ${paths.root}`, command });
}

function shownPackage({ name, version, bytes }: InstalledPackage): string {
  return `${name} ${version}  ${(bytes / BYTES_PER_MB).toFixed(1)} MB`;
}

function megabytes(packages: readonly InstalledPackage[]): string {
  return (packages.reduce((sum, { bytes }) => sum + bytes, 0) / BYTES_PER_MB).toFixed(1);
}
