import type { Command } from 'commander';
import { takeReadyChannel } from '../cluster/ready.ts';
import { workerUrl } from '../cluster/url.ts';
import { type Config, loadConfig } from '../config/load.ts';
import { takeServiceManager } from '../linux/service-manager.ts';
import { type Log, serviceLog } from '../telemetry/log.ts';
import { type RunningWorker, startWorker } from '../worker/compose.ts';
import { example, UsageError } from './command.ts';
import { supervised } from './supervised.ts';
import { untilAsked } from './until-asked.ts';

export function setup(command: Command): void {
  command
    .option('--config <file>', "the worker's config file")
    .action(async (options: { config?: string }) => {
      if (options.config) return await run(options.config);
      throw new UsageError(
        '--config is missing: name the config file, `admin worker-exec --config=worker.json`',
      );
    });
  example(command, 'admin worker-exec --config=my-cluster/config/worker-0.json');
}

/** Runs a worker in this process until it is told to end. */
async function run(file: string): Promise<void> {
  const channel = takeReadyChannel(process.env);
  const manager = takeServiceManager(process.env);
  const asked = untilAsked();
  let config: Config;
  let log: Log;
  let worker: RunningWorker;
  try {
    config = loadConfig(file);
    log = serviceLog(config.logLevel);
    worker = await startWorker(config, log);
  } catch (error) {
    channel.failed(error);
    throw error;
  }
  channel.ready(worker.port);
  const service = supervised(manager, log);
  service.ready(workerUrl(config.workerHost, worker.port));
  const reason = await Promise.race([asked, worker.closed]);
  if (reason !== undefined) {
    log.info({ signal: reason }, 'ending: accepted requests may finish; once more ends at once');
    service.stopping();
    await worker.close();
  }
  await worker.closed;
}
