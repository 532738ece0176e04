import type { Command } from 'commander';
import { readTemplate } from '../cluster/config-file.ts';
import { openCluster } from '../cluster/paths.ts';
import { checkConfig } from '../config/check.ts';
import { buildImage, importMachine } from '../docker/build-image.ts';
import { dockerSocket, openDocker } from '../docker/client.ts';
import { CLUSTER_FLAG, example, needCluster, UsageError } from './command.ts';
import { note, say } from './show.ts';

interface Options {
  readonly cluster?: string;
  readonly tag?: string;
  readonly dockerfile?: string;
}

export function setup(command: Command): void {
  command
    .argument('<action>', 'build: make the image that containers are started from')
    .option(CLUSTER_FLAG, 'the cluster directory, whose docker_image and docker_socket are used')
    .option('--tag <image>', "the image's name (default: docker_image of the cluster, or of any)")
    .option('--dockerfile <file>', 'build as it says (default: from the Python of this machine)')
    .action(async (action: string, options: Options) => {
      if (options.cluster !== undefined) needCluster(command, options);
      if (action === 'build') return await build(options);
      throw new UsageError(`unknown action "${action}": use build`);
    });
  example(command, 'admin image build', 'admin image build --tag=mine --dockerfile=images/Dockerfile');
}

async function build({ cluster, tag, dockerfile }: Options): Promise<void> {
  const { docker_image: usual, docker_socket: configured = null } = await settingsOf(cluster);
  const daemon = await openDocker(dockerSocket(configured, process.env));
  const image = tag ?? usual;
  if (dockerfile === undefined) await importMachine(daemon, image);
  else await buildImage(daemon, image, dockerfile, (line) => process.stderr.isTTY && note(line));
  const from = dockerfile === undefined ? "this machine's Python" : dockerfile;
  say(
    `made the image ${image} from ${from}; use it: admin setconf '{"sandbox": "docker", "docker_image": "${image}"}'`,
  );
}

async function settingsOf(cluster: string | undefined) {
  if (cluster === undefined) return checkConfig({}, 'the defaults');
  return (await readTemplate(await openCluster(cluster))).checked;
}
