import { join } from 'node:path';
import type { Daemon } from '../../docker/client.ts';
import { OlError } from '../../errors.ts';
import { emptyDirectory } from '../../linux/remove-tree.ts';
import type { Code } from '../../registry/registry.ts';
import type { Log } from '../../telemetry/log.ts';
import type { NamedBounds } from '../explain.ts';
import { ForkWatch } from '../forks/fork-watch.ts';
import type { Lock } from '../lock.ts';
import type { Engine, Sandbox } from '../sandbox.ts';
import { ScratchBound } from '../scratch/scratch-bound.ts';
import type { ScratchDir } from '../scratch/scratch-dir.ts';
import { ScratchPool } from '../scratch/scratch-pool.ts';
import { scratchLimits } from '../scratch/scratch-usage.ts';
import { ServerPipe } from '../server-pipe.ts';
import { UidPool } from '../uids.ts';
import type { Workshop, WorkshopBounds, WorkshopEngine } from '../workshop.ts';
import { workshopWatchers } from '../workshop-watchers.ts';
import { readInterpreter } from './about.ts';
import { connectPipe, readOutput } from './connect.ts';
import { Container } from './container.ts';
import { DockerSandbox } from './docker-sandbox.ts';
import { checkImage } from './image.ts';
import type { ContainerBounds, ContainerSettings } from './spec.ts';
import { DockerWorkshop } from './workshop.ts';

export interface DockerEngineOptions extends Omit<ContainerSettings, 'image'> {
  readonly daemon: Daemon;
  readonly image: string;
  /** Docker's network mode for the sandboxes of functions. */
  readonly network: string;
  /** Where scratch directories are: `<handlersDir>/<function>/<instance>`. */
  readonly handlersDir: string;
  /** Where those are that wait for a function; on the same file system. */
  readonly sparesDir: string;
  /** How many of these are kept. */
  readonly spares: number;
  /** Host uids that belong to this engine alone. */
  readonly uids: { readonly base: number; readonly count: number };
  /** That of all sandboxes together is for messages. */
  readonly bounds: NamedBounds & ContainerBounds;
  /** The largest file that an installer may write. */
  readonly installFileMaxMb: number;
  readonly log: Log;
}

/** What a sandbox is made of, and what bounds it. */
interface Making {
  readonly name: string;
  readonly codeDir: string;
  readonly word: string;
  readonly bounds: NamedBounds & ContainerBounds;
  readonly network: string;
  /** Called before anything runs in it; and where its scratch directory goes to afterwards. */
  readonly prepare?: (dir: ScratchDir) => void;
  readonly release: (dir: ScratchDir) => Promise<void>;
}

/** CPU time as much as there is, for what installs packages. */
const NO_CPU_BOUND = 0;
/** A loopback: what installs packages has a proxy on a socket, and what tells of Python needs nothing. */
const NO_NETWORK = 'none';

/** Makes sandboxes by asking a Docker daemon for containers. */
export class DockerEngine implements Engine, WorkshopEngine {
  readonly name = 'docker';
  readonly #options: DockerEngineOptions;
  readonly #sandboxes = new Set<DockerSandbox>();
  /** Those of workshops: whoever opened one has something to do yet before it is dead. */
  readonly #workshops = new Set<DockerSandbox>();
  readonly #starting = new Set<Promise<unknown>>();
  readonly #containers = new Set<Container>();
  readonly #scratchBound: ScratchBound;
  readonly #forkWatch: ForkWatch;
  readonly #scratches: ScratchPool;
  #interpreter = '';
  #nextInstance = 1;
  #isClosed = false;

  /**
   * Resolves when a first container has told which Python is in the image. Throws ERR_DOCKER_IMAGE,
   * ERR_DOCKER, ERR_DOCKER_UNREACHABLE.
   */
  static async start(options: DockerEngineOptions): Promise<DockerEngine> {
    await checkImage(options.daemon, options.image);
    const engine = new DockerEngine(options);
    try {
      engine.#interpreter = await engine.#tryOut();
      return engine;
    } catch (error) {
      await engine.close();
      throw error;
    }
  }

  private constructor(options: DockerEngineOptions) {
    this.#options = options;
    const { sparesDir, uids, bounds, spares: keep, log } = options;
    this.#scratchBound = new ScratchBound({
      dir: sparesDir,
      maxMb: bounds.scratchMaxMb,
      maxFiles: bounds.scratchMaxFiles,
      uidBase: uids.base,
      uidCount: uids.count,
      log,
    });
    this.#forkWatch = new ForkWatch({ procsMax: bounds.procsMax, log });
    const pool = new UidPool(uids.base, uids.count);
    this.#scratches = new ScratchPool({ sparesDir, uids: pool, bound: this.#scratchBound, keep, log });
  }

  /** Of the image that was there at the start. */
  get interpreter(): string {
    return this.#interpreter;
  }

  /** What the kernel counts for all containers together, those of installers included. */
  memoryKb(): number {
    return sum([...this.#containers].map(({ memory }) => memory.kb()));
  }

  reclaimableKb(): number {
    return sum([...this.#containers].map(({ memory }) => memory.reclaimableKb()));
  }

  async create(code: Code, lock: Lock | null): Promise<Sandbox> {
    const { bounds, network } = this.#options;
    const making = { name: code.name, codeDir: code.dir, word: lock?.id ?? '-', bounds, network };
    return await this.#tracked(async () => {
      const sandbox = await this.#make({ ...making, release: (dir) => this.#scratches.giveBack(dir) });
      this.#remember(sandbox, this.#sandboxes);
      sandbox.watchBy(this.#scratchBound, this.#forkWatch);
      return sandbox;
    });
  }

  async openWorkshop(code: Code, bounds: WorkshopBounds): Promise<Workshop> {
    return await this.#tracked(async () => {
      const limits = scratchLimits(bounds.scratchMaxMb, bounds.scratchMaxFiles);
      const taken = Promise.withResolvers<void>();
      let isBoundByKernel = false;
      const sandbox = await this.#make({
        name: code.name,
        codeDir: code.dir,
        word: '-',
        bounds: {
          ...this.#options.bounds,
          ...bounds,
          cpuPercent: NO_CPU_BOUND,
          fileMaxMb: this.#options.installFileMaxMb,
        },
        network: NO_NETWORK,
        prepare: ({ uid }) => {
          isBoundByKernel = this.#scratchBound.widen(uid, limits);
        },
        release: async (dir) => {
          await taken.promise;
          await this.#scratches.discard(dir);
        },
      });
      const { log } = this.#options;
      const { procsMax } = bounds;
      sandbox.watchBy(...workshopWatchers({ procsMax, limits, isBoundByKernel, log }));
      this.#remember(sandbox, this.#workshops);
      return new DockerWorkshop(sandbox, taken.resolve);
    });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.allSettled(this.#starting);
    for (const sandbox of [...this.#sandboxes, ...this.#workshops]) void sandbox.destroy('the worker ends');
    await Promise.all([...this.#sandboxes].map(({ dead }) => dead));
    await Promise.all([...this.#containers].map(({ gone }) => gone));
    await this.#scratches.close();
    this.#scratchBound.close();
    await emptyDirectory(this.#options.handlersDir);
  }

  async #tracked<T>(making: () => Promise<T>): Promise<T> {
    const made = making();
    this.#starting.add(made);
    try {
      return await made;
    } finally {
      this.#starting.delete(made);
    }
  }

  async #make(making: Making): Promise<DockerSandbox> {
    try {
      return await this.#tryMaking(making);
    } catch (cause) {
      const reason = (cause as Error).message;
      throw new OlError('ERR_SANDBOX_START', { name: making.name, reason }, { cause });
    }
  }

  async #tryMaking(making: Making): Promise<DockerSandbox> {
    const { handlersDir, log } = this.#options;
    const { name, bounds, release } = making;
    const instance = this.#nextInstance++;
    const createdAt = performance.now();
    await using undo = new AsyncDisposableStack();
    const dir = this.#scratches.take();
    undo.defer(() => this.#scratches.discard(dir));
    making.prepare?.(dir);
    dir.moveTo(join(handlersDir, name, String(instance)));
    const container = await this.#startContainer(`${name}/${instance}`, dir, making);
    undo.defer(async () => {
      container.kill();
      await container.gone;
    });
    const pipe = new ServerPipe(await this.#connect(container, dir));
    undo.move();
    return new DockerSandbox({
      createdAt,
      functionName: name,
      instance,
      container,
      pipe,
      scratchDir: dir.path,
      bounds,
      log,
      release: () => release(dir),
    });
  }

  async #startContainer(sandboxId: string, dir: ScratchDir, making: Making): Promise<Container> {
    const { codeDir, bounds, word, network } = making;
    const request = { sandboxId, uid: dir.uid, codeDir, scratchDir: dir.path, bounds, word, network };
    const container = await Container.start(this.#options.daemon, this.#options, request, this.#options.log);
    this.#containers.add(container);
    void container.gone.then(() => this.#containers.delete(container));
    return container;
  }

  async #connect(container: Container, dir: ScratchDir): Promise<number> {
    const connection = await connectPipe(dir, () => this.#isClosed || container.pid() === null);
    if (connection !== null) return connection;
    if (this.#isClosed) throw new OlError('ERR_SHUTTING_DOWN', {});
    const { code, signal } = await container.ended;
    throw new Error(`it ended at once with ${signal ?? `exit code ${code}`}: ${readOutput(dir, 'stderr')}`);
  }

  #remember(sandbox: DockerSandbox, among: Set<DockerSandbox>): void {
    among.add(sandbox);
    void sandbox.dead.then((death) => {
      among.delete(sandbox);
      this.#options.log.debug({ sandboxId: sandbox.id, ...death }, 'sandbox ended');
    });
  }

  /** Starts a container as sandboxes are, which tells of its Python and ends. */
  async #tryOut(): Promise<string> {
    const { bounds, runtimeDir, image } = this.#options;
    const dir = this.#scratches.take();
    try {
      const of = { name: 'about', codeDir: runtimeDir, word: 'about', bounds, network: NO_NETWORK };
      const making = { ...of, release: async () => {} };
      const container = await this.#startContainer('about', dir, making);
      const end = await container.ended;
      await container.gone;
      return readInterpreter(image, end, readOutput(dir, 'stdout'), readOutput(dir, 'stderr'));
    } finally {
      await this.#scratches.giveBack(dir);
    }
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, one) => total + one, 0);
}
