import type { Command } from 'commander';
import { connectWorker } from '../client/worker-client.ts';
import { allReports, type ClusterReport, clusterReport, isHealthy } from '../cluster/report.ts';
import { OlError } from '../errors.ts';
import { CLUSTER_FLAG, example, needCluster } from './command.ts';
import { shellWord } from './show.ts';
import { statusText } from './status-text.ts';

interface Options {
  readonly cluster?: string;
  readonly json?: boolean;
}

export function setup(command: Command): void {
  command
    .option(CLUSTER_FLAG, 'the cluster directory (default: every cluster that has a worker on this machine)')
    .option('--json', 'print data')
    .action((options: Options) => {
      if (options.cluster !== undefined) needCluster(command, options);
      return run(options);
    });
  example(command, 'admin status --cluster=my-cluster', 'admin status --json');
}

async function run({ cluster, json = false }: Options): Promise<void> {
  const reports =
    cluster === undefined ? await allReports(connectWorker) : [await clusterReport(cluster, connectWorker)];
  if (json) process.stdout.write(`${JSON.stringify({ clusters: reports }, null, 2)}\n`);
  checkAny(reports, cluster);
  if (!json) process.stdout.write(statusText(reports, { headings: cluster === undefined }));
  if (!reports.every(isHealthy)) process.exitCode = 1;
}

function checkAny(reports: readonly ClusterReport[], cluster: string | undefined): void {
  if (reports.some(({ workers, registry }) => workers.length > 0 || registry !== null)) return;
  const where = cluster === undefined ? 'on this machine' : `in ${cluster}`;
  const command = `admin workers --cluster=${cluster === undefined ? '<dir>' : shellWord(cluster)}`;
  throw new OlError('ERR_NO_WORKER', { where, command });
}
