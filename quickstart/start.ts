/**
 * What `npm start` runs: from a checkout that is set up to an answer of the function `hello`. Every step looks first
 * whether its result is there, so a second run goes on from what it finds. Steps go to stderr, the answer to stdout.
 */
import { cp, lstat, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { step } from '../setup/progress.mjs';
import { connectWorker } from '../src/client/worker-client.ts';
import { createCluster } from '../src/cluster/create.ts';
import { startWorkers } from '../src/cluster/launch.ts';
import { type ClusterPaths, openCluster } from '../src/cluster/paths.ts';
import { clusterReport } from '../src/cluster/report.ts';
import { isOlError, OlError } from '../src/errors.ts';
import { chosenPort, explain, UsageError } from './command-line.ts';
import { greet } from './greet.ts';
import { adminCommand, CLUSTER, near, print, say } from './show.ts';

async function main(): Promise<void> {
  const port = chosenPort(process.argv.slice(2), process.env);
  const paths = await findOrMakeCluster();
  await addHello(paths);
  const url = (await findWorker(paths)) ?? (await startWorker(paths, port));
  for (const line of await greet(url)) print(line);
  print('\nTry next:');
  print(`  curl -X POST ${url.replace('http://', '')}/runLambda/hello -d '{"name": "Bob"}'`);
  print(`  ${adminCommand('status')}`);
  print(`  ${adminCommand('kill')}`);
}

async function findOrMakeCluster(): Promise<ClusterPaths> {
  try {
    return await openCluster(CLUSTER);
  } catch (error) {
    if (!isOlError(error, 'ERR_CLUSTER_MISSING')) throw error;
    return await step(`Make the cluster ${near(CLUSTER)}`, () => createCluster(CLUSTER));
  }
}

/** Copies the example unless there is one, which may be the user's own by now. Half a copy is never seen. */
async function addHello({ registry }: ClusterPaths): Promise<void> {
  const target = join(registry, 'hello');
  if (await exists(target)) return;
  const partial = join(registry, `.hello.${process.pid}.tmp`);
  await step(`Copy the function hello to ${near(target)}`, async () => {
    await cp(join(import.meta.dirname, 'handlers', 'hello'), partial, { recursive: true });
    await rename(partial, target).finally(() => rm(partial, { recursive: true, force: true }));
  });
}

/** The URL of the cluster's worker where one serves, on whatever port; null where none runs. */
async function findWorker({ root }: ClusterPaths): Promise<string | null> {
  const { workers } = await clusterReport(root, connectWorker);
  const running = workers.filter(({ pid }) => pid !== null);
  const ready = running.find(({ ping }) => 'status' in ping && ping.status === 200);
  if (ready !== undefined) {
    say(`${ready.name} of ${near(CLUSTER)} runs already at ${ready.url}`);
    return ready.url;
  }
  const [silent] = running;
  if (silent === undefined) return null;
  const { name, ping, pid, log } = silent;
  const reason = 'error' in ping ? ping.error : `status ${ping.status}`;
  const hint = `it does not answer (${reason}): look at ${near(log)}, or end it with \`${adminCommand('kill')}\``;
  throw new OlError('ERR_WORKER_RUNNING', { worker: name, cluster: near(CLUSTER), pid: String(pid), hint });
}

async function startWorker({ root }: ClusterPaths, port: number | null): Promise<string> {
  const options = port === null ? {} : { port };
  const [worker] = await step('Start a worker in the background', () => startWorkers(root, options));
  if (worker === undefined) throw new OlError('ERR_INTERNAL', { reason: 'no worker was started' });
  return worker.url;
}

async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

try {
  await main();
} catch (error) {
  say(explain(error));
  process.exitCode = error instanceof UsageError ? 2 : 1;
}
