import type { Container as DockerContainer } from 'dockerode';
import type { ProcessId } from '../../cluster/process.ts';
import { asked, type Daemon, isMissing, statusOf } from '../../docker/client.ts';
import { removeContainer, waitForContainer } from '../../docker/containers.ts';
import { signalName } from '../../linux/signals.ts';
import type { Log } from '../../telemetry/log.ts';
import { cgroupsOf } from './cgroup-of.ts';
import { ContainerForks } from './container-forks.ts';
import { ContainerMemory } from './container-memory.ts';
import { endLost, firstProcessOf } from './lost.ts';
import type { MemoryOfContainer } from './memory.ts';
import { Pausing } from './pausing.ts';
import { type ContainerRequest, type ContainerSettings, containerSpec } from './spec.ts';
import { StatsMemory } from './stats-memory.ts';

/** An exit code above this is how the daemon tells of a signal. */
const SIGNALLED = 128;
const MAX_SIGNAL = 64;

/** How the first process of a container ended, and all others with it. */
export interface ContainerEnd {
  readonly code: number | null;
  readonly signal: string | null;
  readonly isOutOfMemory: boolean;
}

const ENDED_BY_US: ContainerEnd = { code: null, signal: 'SIGKILL', isOutOfMemory: false };

/** A container that was started. */
export class Container {
  /** Resolves when its processes are gone. Never rejects. */
  readonly ended: Promise<ContainerEnd>;
  /** Resolves when the daemon has forgotten it. Never rejects. */
  readonly gone: Promise<void>;
  readonly memory: MemoryOfContainer;
  readonly #forks: ContainerForks | null;
  readonly #daemon: Daemon;
  readonly #container: DockerContainer;
  readonly #log: Log;
  readonly #pausing: Pausing;
  /** That process, whatever its number means later; null where it can't be told from others. */
  readonly #first: ProcessId | null;
  #pid: number | null;
  #removal: Promise<void> | null = null;
  #hasEnded = false;

  /** Makes it and starts it. Rejects with errors of the table, and leaves nothing then. */
  static async start(
    daemon: Daemon,
    settings: ContainerSettings,
    request: ContainerRequest,
    log: Log,
  ): Promise<Container> {
    const spec = containerSpec(settings, request);
    const made = await asked(daemon, 'making a container', () => daemon.docker.createContainer(spec));
    try {
      await asked(daemon, 'starting a container', () => made.start());
      const { State } = await asked(daemon, 'looking at a container', () => made.inspect());
      return new Container(daemon, made, State.Pid, log);
    } catch (error) {
      await removeContainer(daemon, made.id);
      throw error;
    }
  }

  private constructor(daemon: Daemon, container: DockerContainer, pid: number, log: Log) {
    this.#daemon = daemon;
    this.#container = container;
    this.#log = log;
    this.#pid = pid > 0 ? pid : null;
    this.#first = this.#pid === null ? null : firstProcessOf(container.id, this.#pid);
    const groups = this.#pid === null ? [] : cgroupsOf(this.#pid);
    this.memory = ContainerMemory.open(groups) ?? new StatsMemory(daemon, container.id, log);
    this.#forks = ContainerForks.open(groups);
    this.#pausing = new Pausing({
      pause: () => this.#step('pausing a container', () => this.#container.pause()),
      unpause: () => this.#step('unpausing a container', () => this.#container.unpause()),
    });
    this.ended = this.#waitForEnd();
    this.gone = this.ended.then(() => this.#remove());
  }

  /** Of its first process, as the machine sees it; null when it has ended. */
  pid(): number | null {
    return this.#pid;
  }

  /** Forks and threads that it was refused; 0 where its cgroup can't be seen from here. */
  forksRefused(): number {
    return this.#hasEnded ? 0 : (this.#forks?.refused() ?? 0);
  }

  get isPaused(): boolean {
    return this.#pausing.isWanted;
  }

  /** Resolves when it is as was last asked for, or has ended. Rejects with ERR_DOCKER, ERR_DOCKER_UNREACHABLE. */
  setPaused(paused: boolean): Promise<void> {
    return this.#pausing.set(paused);
  }

  /** Ends all its processes at once. Does nothing when they have ended. */
  kill(): void {
    if (!this.#hasEnded) void this.#remove();
  }

  /** One that ends meanwhile has nothing to be paused. */
  async #step(action: string, step: () => Promise<unknown>): Promise<void> {
    const isEnding = () => this.#hasEnded || this.#removal !== null;
    if (isEnding()) return;
    try {
      await asked(this.#daemon, action, step);
    } catch (error) {
      if (isEnding() || isMissing(error)) return;
      // It has ended and we are about to be told: the daemon says that it does not run.
      if (statusOf(error) === 409 && !(await this.#isRunning())) return;
      throw error;
    }
  }

  async #isRunning(): Promise<boolean> {
    try {
      return (await this.#container.inspect()).State.Running;
    } catch (error) {
      if (isMissing(error)) return false;
      throw error;
    }
  }

  async #waitForEnd(): Promise<ContainerEnd> {
    try {
      return await this.#askForEnd();
    } catch (error) {
      if (this.#removal === null) {
        this.#log.error(
          { err: error, container: this.#container.id },
          'the daemon lost sight of a container',
        );
        await this.#remove();
      }
      if (this.#first !== null) await endLost(this.#first);
      return ENDED_BY_US;
    } finally {
      this.#hasEnded = true;
      this.#pid = null;
      this.memory.close();
    }
  }

  async #askForEnd(): Promise<ContainerEnd> {
    const status = await waitForContainer(this.#daemon, this.#container.id, 'not-running');
    if (this.#removal !== null) return ENDED_BY_US;
    const { State } = await this.#container.inspect();
    return endOf(status, State.OOMKilled);
  }

  #remove(): Promise<void> {
    this.#removal ??= removeContainer(this.#daemon, this.#container.id).catch((error: unknown) =>
      this.#log.error({ err: error, container: this.#container.id }, 'a container was not removed'),
    );
    return this.#removal;
  }
}

/** From what the daemon tells. A program that exits with 139 by itself looks as if it had crashed. */
export function endOf(status: number, isOutOfMemory: boolean): ContainerEnd {
  const number = status - SIGNALLED;
  const isSignal = number > 0 && number <= MAX_SIGNAL;
  if (isSignal) return { code: null, signal: signalName(number), isOutOfMemory };
  return { code: status, signal: null, isOutOfMemory };
}
