import type { BucketConfig } from '../../src/config/load.ts';
import { removeContainer } from '../../src/docker/containers.ts';
import type { RunningCell } from '../helpers/cell.ts';
import { startEmbeddedS3 } from '../helpers/embedded-s3.ts';
import { startRclone } from '../helpers/rclone.ts';
import { NO_DOCKER, TEST_IMAGE, TestDockerd } from '../helpers/test-dockerd.ts';
import { whyNoTestTools } from '../helpers/test-tools.ts';
import { type Cell, settingsOf } from './cells.ts';

/** Why a cell can't run on this machine; null where it can. */
export function whyNotHere({ engine, registry }: Cell): string | null {
  if (engine === 'docker' && NO_DOCKER !== null) return NO_DOCKER;
  return registry === 'rclone' ? whyNoTestTools() : null;
}

interface S3Service extends AsyncDisposable {
  readonly bucket: BucketConfig;
}

/** What cells need besides a worker: a Docker daemon and S3 servers, each started when the first cell wants it. */
export class Services implements AsyncDisposable {
  readonly #disposables = new AsyncDisposableStack();
  readonly #servers = new Map<Cell['registry'], S3Service>();
  #dockerd: TestDockerd | null = null;

  async for(cell: Cell): Promise<RunningCell> {
    const docker = cell.engine === 'docker' ? await this.#docker() : {};
    const settings = { ...settingsOf(cell), ...docker };
    return { cell, settings, server: cell.registry === 'local' ? null : await this.#server(cell.registry) };
  }

  /** What a cell has left in the daemon: nothing, or its tests have not tidied up. It is removed, so that the next one has its own. */
  async takeContainersLeft(): Promise<string[]> {
    if (this.#dockerd === null) return [];
    const daemon = await this.#dockerd.open();
    const found = await daemon.docker.listContainers({ all: true });
    for (const { Id } of found) await removeContainer(daemon, Id);
    return found.map(({ Id, Status }) => `left behind: container ${Id.slice(0, 12)}, ${Status}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#disposables.disposeAsync();
  }

  async #docker() {
    this.#dockerd ??= this.#disposables.use(await TestDockerd.start());
    return { docker_socket: this.#dockerd.socket, docker_image: TEST_IMAGE };
  }

  async #server(kind: Exclude<Cell['registry'], 'local'>) {
    const start = kind === 'embedded' ? startEmbeddedS3 : startRclone;
    const known = this.#servers.get(kind) ?? this.#disposables.use(await start());
    this.#servers.set(kind, known);
    const { bucket: _, ...server } = known.bucket;
    return server;
  }
}
