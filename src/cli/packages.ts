import type { Command } from 'commander';
import { connectWorker, type WorkerClient } from '../client/worker-client.ts';
import { readTemplate } from '../cluster/config-file.ts';
import { type ClusterPaths, openCluster } from '../cluster/paths.ts';
import { clusterReport } from '../cluster/report.ts';
import { resolveConfig } from '../config/load.ts';
import { OlError } from '../errors.ts';
import {
  type InstalledPackage,
  listPackages,
  namesWithPackages,
  prunePackages,
} from '../packages/inventory.ts';
import { PackageStore } from '../packages/store.ts';
import { checkFunctionName } from '../registry/names.ts';
import { CLUSTER_FLAG, CLUSTER_HELP, example, needCluster, UsageError } from './command.ts';
import { askForUsers, type Place, withRegistryUsers, withUsers } from './package-users.ts';
import { note, say, shellWord } from './show.ts';

interface Options {
  readonly cluster?: string;
  readonly json?: boolean;
  readonly dryRun?: boolean;
}

/** How long a package that somebody installs right now is waited for before it is removed. */
const WAIT_MS = 60_000;
/** The worker bounds resolving and installing itself. */
const INSTALL_MS = 3_600_000;
/** Why users are not known, for people: data has all of it. */
const MAX_PROBLEMS = 10;
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
  refuseWhatIsForOthers(name, functions, options);
  const paths = await openCluster(needCluster(command, options));
  const { checked } = await readTemplate(paths);
  await action({ paths, config: resolveConfig(checked, paths.template) }, functions, options);
}

/** What a command would ignore may be what somebody relies on: \`prune hello\` does not spare the others' packages. */
function refuseWhatIsForOthers(name: string, functions: readonly string[], { json, dryRun }: Options): void {
  if (functions.length > 0 && name !== 'install')
    throw new UsageError(`${name} is about all packages of the cluster: leave out "${functions.join(' ')}"`);
  if (json && name !== 'list') throw new UsageError(`--json is for list, not for ${name}`);
  if (dryRun && name !== 'prune') throw new UsageError(`--dry-run is for prune, not for ${name}`);
}

async function list(place: Place, _: readonly string[], { json = false }: Options): Promise<void> {
  const store = await PackageStore.open(place.config.pkgsDir);
  const { functions, problems } = await withUsers(place, store, askForUsers);
  const { startupPkgs } = place.config;
  const packages = await listPackages(store, { functions, startupPkgs });
  for (const problem of problems.slice(0, MAX_PROBLEMS)) note(problem);
  if (problems.length > MAX_PROBLEMS) note(`and ${problems.length - MAX_PROBLEMS} more`);
  if (problems.length > 0) process.exitCode = 1;
  if (json) return say(JSON.stringify({ packages, problems }, null, 2));
  const nobody = problems.length === 0 ? '(unused)' : '(users not known)';
  for (const one of packages) say(`${shownPackage(one)}  ${one.usedBy.join(' ') || nobody}`);
  say(`${packages.length} packages, ${megabytes(packages)} MB`);
}

async function prune(place: Place, _: readonly string[], { dryRun: isDry = false }: Options): Promise<void> {
  const store = await PackageStore.open(place.config.pkgsDir);
  const { startupPkgs } = place.config;
  const removed = await withUsers(place, store, (functions) =>
    prunePackages(store, { functions, startupPkgs }, { isDry, waitMs: WAIT_MS }),
  );
  for (const one of removed) say(shownPackage(one));
  say(`${isDry ? 'would remove' : 'removed'} ${removed.length} packages, ${megabytes(removed)} MB`);
}

/** By a worker that runs: it has the sandboxes for it. */
async function install(place: Place, functions: readonly string[]): Promise<void> {
  const names = functions.length > 0 ? functions.map(checkFunctionName) : await allNames(place);
  const worker = await readyWorker(place.paths);
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

/** Those whose packages.txt can't be had are among them: the worker says why. */
async function allNames({ config }: Place): Promise<string[]> {
  const store = await PackageStore.open(config.pkgsDir);
  return await withRegistryUsers(config, store, async (users) => namesWithPackages(await users.list()));
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
