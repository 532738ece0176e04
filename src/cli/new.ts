import type { Command } from 'commander';
import type { ExportImage } from '../cluster/base-make.ts';
import { createCluster } from '../cluster/create.ts';
import { dockerSocket, openDocker } from '../docker/client.ts';
import { exportImage } from '../docker/export-image.ts';
import { CLUSTER_FLAG, CLUSTER_HELP, example, needCluster } from './command.ts';
import { say, shellWord } from './show.ts';

export function setup(command: Command): void {
  command
    .option(CLUSTER_FLAG, `${CLUSTER_HELP} to make; it must not exist`)
    .option(
      '--base <source>',
      'the base image: host, dir:<path>, docker:<image>, or the path of a tar archive',
      'host',
    )
    .action((options: { cluster?: string; base: string }) =>
      run(needCluster(command, options), options.base),
    );
  example(command, 'admin new --cluster=my-cluster');
}

async function run(cluster: string, base: string): Promise<void> {
  const interrupted = new AbortController();
  const stop = () => interrupted.abort(new Error('interrupted; nothing was made'));
  process.once('SIGINT', stop).once('SIGTERM', stop);
  await createCluster(cluster, { base, signal: interrupted.signal, exportImage: fromDocker });
  process.off('SIGINT', stop).off('SIGTERM', stop);
  say(`made ${cluster}; start a worker: admin workers --cluster=${shellWord(cluster)}`);
}

const fromDocker: ExportImage = async (image, take) =>
  await exportImage(await openDocker(dockerSocket(null, process.env)), image, take);
