import { closeSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import type { CgroupPool } from '../../cgroup/pool.ts';
import { OlError } from '../../errors.ts';
import { detachedMount } from '../../linux/mounts.ts';
import { emptyDirectory } from '../../linux/remove-tree.ts';
import type { Code } from '../../registry/registry.ts';
import type { Log } from '../../telemetry/log.ts';
import { Stopwatch, type Timing } from '../../telemetry/timing.ts';
import type { Lock } from '../lock.ts';
import type { Engine, Sandbox } from '../sandbox.ts';
import type { Workshop, WorkshopBounds, WorkshopEngine } from '../workshop.ts';
import { Compiler } from './compiler.ts';
import type { LaunchSettings } from './control.ts';
import { Nursery } from './nursery.ts';
import { ScratchBound } from './scratch-bound.ts';
import { ScratchPool } from './scratch-pool.ts';
import type { ScratchLimits } from './scratch-usage.ts';
import { compileSeccomp } from './seccomp/compile.ts';
import { type NamedBounds, SockSandbox } from './sock-sandbox.ts';
import type { Spare } from './spare.ts';
import { UID_COUNT, UidPool } from './uids.ts';
import { SockWorkshop } from './workshop.ts';

export interface SockEngineOptions {
  /** The base image and what of the machine shows through in it. */
  readonly base: { readonly dir: string; readonly binds: readonly string[]; readonly python: string };
  readonly packagesDir: string;
  /** Where scratch directories are: `<handlersDir>/<function>/<instance>`. */
  readonly handlersDir: string;
  /** Where those of spares are; on the same file system. */
  readonly sparesDir: string;
  /** The first of 65536 host uids that belong to this engine alone. */
  readonly uidBase: number;
  /** JSON; the handler's environment variable `ol.config`. */
  readonly sandboxConfig: string;
  readonly tmpMaxMb: number;
  /** Those on memory are for messages: `cgroups` sets them. */
  readonly bounds: NamedBounds;
  readonly fileMaxMb: number;
  /** The largest file that an installer may write. */
  readonly installFileMaxMb: number;
  readonly openFilesMax: number;
  /** Where each sandbox gets its cgroup; null for no bounds. */
  readonly cgroups: CgroupPool | null;
  readonly spares: number;
  readonly log: Log;
  /** Gets the steps of each start; null for none. */
  readonly timing: Timing | null;
  /** Told the pid of each root zygote: the first one, and any that takes the place of a dead one. */
  readonly onZygote: (pid: number) => Promise<void>;
}

/** Each spare that is found dead costs one; when the root zygote has died, the next one comes from another. */
const MAX_ATTEMPTS = 3;

/** Makes sandboxes by forking a root zygote into namespaces of their own. */
export class SockEngine implements Engine, WorkshopEngine {
  readonly name = 'sock';
  readonly #options: SockEngineOptions;
  readonly #sandboxes = new Set<SockSandbox>();
  readonly #nursery: Nursery;
  readonly #scratchBound: ScratchBound;
  readonly #scratches: ScratchPool;
  readonly #compiler: Compiler;
  #nextInstance = 1;

  /** Resolves when a first sandbox has got as far as it can without code. Throws what `RootZygote.start` throws. */
  static async start(options: SockEngineOptions): Promise<SockEngine> {
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
    const launch = this.#launchSettings();
    const { sparesDir, uidBase, bounds, spares: keep, log } = options;
    const uidCount = UID_COUNT;
    this.#scratchBound = new ScratchBound({
      dir: sparesDir,
      maxMb: bounds.scratchMaxMb,
      maxFiles: bounds.scratchMaxFiles,
      uidBase,
      uidCount,
      log,
    });
    const uids = new UidPool(uidBase);
    this.#scratches = new ScratchPool({ sparesDir, uids, bound: this.#scratchBound, keep, log });
    this.#nursery = new Nursery({ ...options, launch, scratches: this.#scratches });
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
    const sandbox = await this.#fromSpare(code, (spare) => this.#startSandbox(code, lock, spare));
    this.#compiler.used(code);
    return sandbox;
  }

  async openWorkshop(code: Code, bounds: WorkshopBounds): Promise<Workshop> {
    const { memPoolMb } = this.#options.bounds;
    return await this.#fromSpare(code, (spare) => {
      const widen = (limits: ScratchLimits) => this.#scratchBound.widen(spare.scratch.dir.uid, limits);
      const { log } = this.#options;
      return SockWorkshop.start({
        code,
        spare,
        bounds,
        memPoolMb,
        widen,
        log,
        instance: this.#nextInstance++,
      });
    });
  }

  /** What `start` makes of a spare; null says that the spare has died, and asks for another. */
  async #fromSpare<T>(code: Code, start: (spare: Spare) => T | null): Promise<T> {
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
      const spare = await this.#takeSpare(code);
      const made = this.#tryStart(code, spare, start);
      if (made !== null) return made;
      // It was dead, and perhaps its zygote with it: after this we know of both.
      await spare.gone;
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
    await this.#scratches.close();
    this.#scratchBound.close();
    // The directories that held scratch directories: one a function, kept because making one takes half a millisecond.
    await emptyDirectory(this.#options.handlersDir);
  }

  async #takeSpare({ name }: Code): Promise<Spare> {
    try {
      return await this.#nursery.take();
    } catch (cause) {
      throw new OlError('ERR_SANDBOX_START', { name, reason: (cause as Error).message }, { cause });
    }
  }

  /** Null where the spare has died. Throws ERR_SANDBOX_START. */
  #tryStart<T>(code: Code, spare: Spare, start: (spare: Spare) => T | null): T | null {
    try {
      return start(spare);
    } catch (cause) {
      spare.process.kill();
      const reason = (cause as Error).message;
      throw new OlError('ERR_SANDBOX_START', { name: code.name, reason }, { cause });
    }
  }

  #startSandbox(code: Code, lock: Lock | null, spare: Spare): SockSandbox | null {
    const { timing, handlersDir, bounds, log } = this.#options;
    const watch = timing === null ? null : new Stopwatch(timing);
    const instance = this.#nextInstance++;
    const sandbox = new SockSandbox({ functionName: code.name, instance, spare, bounds, log });
    this.#remember(sandbox);
    spare.scratch.dir.moveTo(join(handlersDir, code.name, String(instance)));
    watch?.lap('cold:scratch');
    const mount = detachedMount(code.dir, 'read-only');
    using _mount = { [Symbol.dispose]: () => closeSync(mount) };
    watch?.lap('cold:mount');
    const isStarted = spare.process.start('start', mount, lock?.id ?? null, ([woke, attached, dropped]) => {
      watch?.lapAt('sandbox:wake', woke);
      watch?.lapAt('sandbox:attach', attached);
      watch?.lapAt('sandbox:drop', dropped);
    });
    if (isStarted) sandbox.watchBy(this.#scratchBound);
    watch?.lap('cold:send');
    return isStarted ? sandbox : null;
  }

  #remember(sandbox: SockSandbox): void {
    this.#sandboxes.add(sandbox);
    void sandbox.dead.then((death) => {
      this.#sandboxes.delete(sandbox);
      this.#options.log.debug({ sandboxId: sandbox.id, ...death }, 'sandbox ended');
    });
  }

  #launchSettings(): Omit<LaunchSettings, 'runtime' | 'worker_pid'> {
    const { base, packagesDir, sandboxConfig, tmpMaxMb, timing } = this.#options;
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
      zygote: {
        seccomp: compileSeccomp(process.arch === 'arm64' ? 'arm64' : 'x64').toString('base64'),
        tmp_max_mb: tmpMaxMb,
        file_max_mb: this.#options.fileMaxMb,
        install_file_max_mb: this.#options.installFileMaxMb,
        open_files_max: this.#options.openFilesMax,
        timing: timing !== null,
      },
    };
  }
}
