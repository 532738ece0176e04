import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import type { Cgroup } from '../../cgroup/cgroup.ts';
import type { CgroupPool } from '../../cgroup/pool.ts';
import { OlError } from '../../errors.ts';
import { readOnlyMount } from '../../linux/mounts.ts';
import { emptyDirectory } from '../../linux/remove-tree.ts';
import type { NetworkSettings } from '../../network/network.ts';
import type { Code } from '../../registry/registry.ts';
import type { Log } from '../../telemetry/log.ts';
import { Stopwatch, type Timing } from '../../telemetry/timing.ts';
import type { CoreWatch } from '../cores/core-watch.ts';
import type { NamedBounds } from '../explain.ts';
import { ForkWatch } from '../forks/fork-watch.ts';
import type { Lock } from '../lock.ts';
import type { Origin, Sandbox } from '../sandbox.ts';
import { ScratchBound } from '../scratch/scratch-bound.ts';
import { ScratchPool } from '../scratch/scratch-pool.ts';
import type { ScratchLimits } from '../scratch/scratch-usage.ts';
import type { Workshop, WorkshopBounds, WorkshopEngine } from '../workshop.ts';
import type { ImportRequest, ImportZygote, ZygoteEngine } from '../zygotes.ts';
import { Compiler } from './compiler.ts';
import type { LaunchSettings } from './control.ts';
import { Imports } from './imports.ts';
import { launchNetwork } from './launch-network.ts';
import { Nursery } from './nursery.ts';
import { writeRehearsed } from './rehearsal.ts';
import { compileSeccomp, compileZygoteSeccomp } from './seccomp/compile.ts';
import { SockSandbox } from './sock-sandbox.ts';
import type { Spare } from './spare.ts';
import { UidRange, type Uids } from './uid-range.ts';
import { SockWorkshop } from './workshop.ts';
import type { Root } from './zygote.ts';

export interface SockEngineOptions {
  /** The base image and what of the machine shows through in it. */
  readonly base: { readonly dir: string; readonly binds: readonly string[]; readonly python: string };
  readonly packagesDir: string;
  /** Where scratch directories are: `<handlersDir>/<function>/<instance>`. */
  readonly handlersDir: string;
  /** Where those of spares are; on the same file system. */
  readonly sparesDir: string;
  /** Where package zygotes have their directories. */
  readonly importsDir: string;
  /** Made, with the code of rehearsals in it. */
  readonly rehearsedDir: string;
  readonly network: NetworkSettings;
  /** Host uids that belong to this engine alone: of its sandboxes, and of its package zygotes. */
  readonly uids: Uids;
  /** JSON; the handler's environment variable `ol.config`. */
  readonly sandboxConfig: string;
  readonly tmpMaxMb: number;
  /** Those on memory and processes are for messages: `cgroups` sets them. */
  readonly bounds: NamedBounds;
  readonly fileMaxMb: number;
  /** The largest file that an installer may write. */
  readonly installFileMaxMb: number;
  readonly openFilesMax: number;
  /** Where each sandbox gets its cgroup; null for no bounds. */
  readonly cgroups: CgroupPool | null;
  /** Makes the cgroup of a package zygote; null for no bounds. */
  readonly zygoteCgroup: ((name: string) => Cgroup) | null;
  /** How long a package zygote may import. */
  readonly importTimeoutMs: number;
  /** How long a zygote may owe an answer; then it is ended, and replaced. */
  readonly zygoteSilentMs: number;
  readonly spares: number;
  /** Told of the sandboxes that run; null for nobody. */
  readonly coreWatch: CoreWatch | null;
  readonly log: Log;
  /** Gets the steps of each start; null for none. */
  readonly timing: Timing | null;
  /** Told the pid of each PID 1 of the sandboxes: the first one, and any that takes the place of a dead one. */
  readonly onInit: (pid: number) => Promise<void>;
  /** Told of each root zygote that died, or had to be ended. */
  readonly onZygoteDeath: () => void;
}

/** How many uids are for sandboxes that are forked from the root zygote. */
const ROOT_UIDS = 2 ** 16;

/** Each spare that is found dead costs one; when the root zygote has died, the next one comes from another. */
const MAX_ATTEMPTS = 3;

const ARCH = process.arch === 'arm64' ? 'arm64' : 'x64';

/** What a sandbox is made of, and where that was forked from. */
interface Taken {
  readonly spare: Spare;
  readonly origin: Origin;
}

/** Makes sandboxes by forking zygotes into namespaces of their own. */
export class SockEngine implements ZygoteEngine, WorkshopEngine {
  readonly name = 'sock';
  readonly #options: SockEngineOptions;
  readonly #sandboxes = new Set<SockSandbox>();
  /** Root zygotes that have died, and have a successor. */
  readonly #replaced = new WeakSet<Root>();
  readonly #nursery: Nursery;
  readonly #scratchBound: ScratchBound;
  /** Of the sandboxes of functions. */
  readonly #watchers: readonly (ScratchBound | ForkWatch | CoreWatch)[];
  readonly #scratches: ScratchPool;
  readonly #compiler: Compiler;
  readonly #imports: Imports;
  #nextInstance = 1;

  /** Resolves when a first sandbox has got as far as it can without code. Throws what `Init.start` and `RootZygote.start` throw. */
  static async start(options: SockEngineOptions): Promise<SockEngine> {
    await writeRehearsed(options.rehearsedDir);
    const engine = new SockEngine(options);
    try {
      await engine.#nursery.tryOut();
      return engine;
    } catch (error) {
      await engine.close();
      throw error;
    }
  }

  private constructor(options: SockEngineOptions) {
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
    const forkWatch = new ForkWatch({ procsMax: bounds.procsMax, log });
    const { coreWatch } = options;
    this.#watchers = [this.#scratchBound, forkWatch, ...(coreWatch === null ? [] : [coreWatch])];
    const range = UidRange.whole(uids, ROOT_UIDS);
    const launch = this.#launchSettings(range.take());
    const scratch = { sparesDir, bound: this.#scratchBound, log };
    this.#scratches = new ScratchPool({ ...scratch, uids: range, keep });
    const onReplaced = (dead: Root) => void this.#retire(dead);
    this.#nursery = new Nursery({ ...options, launch, uids: range, scratches: this.#scratches, onReplaced });
    this.#imports = new Imports({ ...options, scratch, nursery: this.#nursery });
    this.#compiler = new Compiler({
      take: () => this.#nursery.takeForCompiling(),
      scratchBound: this.#scratchBound,
      log,
    });
  }

  /** Of the one that runs: a base image may be exchanged while the worker does not. */
  get interpreter(): string {
    return `${this.#nursery.cacheTag}-${process.arch}`;
  }

  async create(code: Code, lock: Lock | null): Promise<Sandbox> {
    return await this.#create(code, lock, () => this.#takeSpare());
  }

  async createFrom(zygote: ImportZygote, code: Code, lock: Lock | null): Promise<Sandbox> {
    const from = this.#imports.of(zygote);
    let tries = 0;
    return await this.#create(code, lock, async () => {
      // One that was dead may be dead because of what it was forked from.
      const spare = ++tries < MAX_ATTEMPTS ? from.take() : null;
      return spare === null ? await this.#takeSpare() : { spare, origin: 'zygote' };
    });
  }

  importAhead(request: ImportRequest): Promise<ImportZygote> {
    return this.#imports.start(request);
  }

  async openWorkshop(code: Code, bounds: WorkshopBounds): Promise<Workshop> {
    const { bounds: usual, log } = this.#options;
    const start = ({ spare }: Taken) => {
      const widen = (limits: ScratchLimits) => this.#scratchBound.widen(spare.scratch.dir.uid, limits);
      const instance = this.#nextInstance++;
      return SockWorkshop.start({ code, spare, bounds, memPoolMb: usual.memPoolMb, widen, log, instance });
    };
    return await this.#make(code, () => this.#takeSpare(), start);
  }

  async #create(code: Code, lock: Lock | null, take: () => Promise<Taken>): Promise<Sandbox> {
    const sandbox = await this.#make(code, take, (taken) => this.#startSandbox(code, lock, taken));
    this.#compiler.used(code);
    return sandbox;
  }

  async #takeSpare(): Promise<Taken> {
    return { spare: await this.#nursery.take(), origin: 'cold' };
  }

  /** What `start` makes of a spare; null says that the spare has died, and asks for another. */
  async #make<T>(code: Code, take: () => Promise<Taken>, start: (taken: Taken) => T | null): Promise<T> {
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
      const taken = await tryTaking(code, take);
      const made = tryStarting(code, taken, start);
      if (made !== null) return made;
      // It was dead, and perhaps its zygote with it: after this we know of both.
      await taken.spare.gone;
      await setImmediate();
    }
    const reason = 'what it would have been made of died again and again';
    throw new OlError('ERR_SANDBOX_START', { name: code.name, reason });
  }

  async close(): Promise<void> {
    const compiled = this.#compiler.close();
    const all = [...this.#sandboxes].map((sandbox) => sandbox.destroy('the worker ends'));
    await this.#nursery.close();
    await Promise.all([compiled, ...all]);
    await this.#imports.close();
    await this.#scratches.close();
    this.#scratchBound.close();
    // The directories that held scratch directories: one a function, kept because making one takes half a millisecond.
    await emptyDirectory(this.#options.handlersDir);
  }

  #startSandbox(code: Code, lock: Lock | null, { spare, origin }: Taken): SockSandbox | null {
    const { timing, handlersDir, bounds, log } = this.#options;
    const watch = timing === null ? null : new Stopwatch(timing);
    const instance = this.#nextInstance++;
    const sandbox = new SockSandbox({ functionName: code.name, instance, origin, spare, bounds, log });
    this.#remember(sandbox);
    spare.scratch.dir.moveTo(join(handlersDir, code.name, String(instance)));
    watch?.lap('cold:scratch');
    using mount = readOnlyMount(code.dir);
    watch?.lap('cold:mount');
    const isStarted = spare.process.start(
      'start',
      mount.fd,
      lock?.id ?? null,
      ([woke, attached, dropped]) => {
        watch?.lapAt('sandbox:wake', woke);
        watch?.lapAt('sandbox:attach', attached);
        watch?.lapAt('sandbox:drop', dropped);
      },
    );
    if (isStarted) sandbox.watchBy(...this.#watchers);
    watch?.lap('cold:send');
    return isStarted ? sandbox : null;
  }

  /** Sandboxes of a dead root zygote end when they have finished what they were given. */
  async #retire(root: Root): Promise<void> {
    const left = [...this.#sandboxes].filter((sandbox) => sandbox.root === root);
    const { log } = this.#options;
    log.warn(
      { sandboxes: left.length },
      'there is another root zygote: sandboxes of the dead one are replaced',
    );
    this.#replaced.add(root);
    for (const sandbox of left) sandbox.retire();
    await Promise.all(left.map(({ dead }) => dead));
    log.info({ sandboxes: left.length }, 'the last sandbox of the dead root zygote has ended');
  }

  #remember(sandbox: SockSandbox): void {
    this.#sandboxes.add(sandbox);
    if (this.#replaced.has(sandbox.root)) sandbox.retire();
    void sandbox.dead.then((death) => {
      this.#sandboxes.delete(sandbox);
      this.#options.log.debug({ sandboxId: sandbox.id, ...death }, 'sandbox ended');
    });
  }

  #launchSettings(resolverUid: number): Omit<LaunchSettings, 'runtime' | 'worker_pid'> {
    const { base, packagesDir, sandboxConfig, tmpMaxMb, timing, network } = this.#options;
    return {
      base: base.dir,
      binds: base.binds,
      packages: packagesDir,
      python: base.python,
      environment: {
        PATH: '/usr/local/bin:/usr/bin:/bin',
        HOME: '/tmp',
        LANG: 'C.UTF-8',
        'ol.config': sandboxConfig,
      },
      network: launchNetwork(network, resolverUid),
      zygote: {
        network: network.kind,
        seccomp: compileSeccomp(ARCH).toString('base64'),
        zygote_seccomp: compileZygoteSeccomp(ARCH).toString('base64'),
        tmp_max_mb: tmpMaxMb,
        file_max_mb: this.#options.fileMaxMb,
        install_file_max_mb: this.#options.installFileMaxMb,
        open_files_max: this.#options.openFilesMax,
        timing: timing !== null,
      },
    };
  }
}

/** Null where the spare has died. Throws ERR_SANDBOX_START. */
function tryStarting<T>(code: Code, taken: Taken, start: (taken: Taken) => T | null): T | null {
  try {
    return start(taken);
  } catch (cause) {
    taken.spare.process.kill();
    throw startError(code, cause);
  }
}

async function tryTaking(code: Code, take: () => Promise<Taken>): Promise<Taken> {
  try {
    return await take();
  } catch (cause) {
    throw startError(code, cause);
  }
}

function startError({ name }: Code, cause: unknown): OlError {
  return new OlError('ERR_SANDBOX_START', { name, reason: (cause as Error).message }, { cause });
}
