import { closeSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import type { CgroupPool } from '../../cgroup/pool.ts';
import { OlError } from '../../errors.ts';
import { detachedMount } from '../../linux/mounts.ts';
import type { Code } from '../../registry/registry.ts';
import type { Log } from '../../telemetry/log.ts';
import { Stopwatch, type Timing } from '../../telemetry/timing.ts';
import type { Engine, Sandbox } from '../sandbox.ts';
import { ServerPipe } from '../server-pipe.ts';
import type { LaunchSettings } from './control.ts';
import { SandboxProcess } from './process.ts';
import { RootZygote } from './root-zygote.ts';
import { makeScratch, removeScratch } from './scratch.ts';
import { compileSeccomp } from './seccomp/compile.ts';
import { SockSandbox } from './sock-sandbox.ts';
import { Spares } from './spares.ts';
import { UidPool } from './uids.ts';

export interface SockEngineOptions {
  /** The base image and what of the machine shows through in it. */
  readonly base: { readonly dir: string; readonly binds: readonly string[]; readonly python: string };
  readonly packagesDir: string;
  /** Where scratch directories are made: `<handlersDir>/<function>/<instance>`. */
  readonly handlersDir: string;
  /** The first of 65536 host uids that belong to this engine alone. */
  readonly uidBase: number;
  /** JSON; the handler's environment variable `ol.config`. */
  readonly sandboxConfig: string;
  readonly tmpMaxMb: number;
  /** What `cgroups` sets; for messages. */
  readonly memLimitMb: number;
  readonly fileMaxMb: number;
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

/** What is kept for each root zygote: it, and the spares that were forked from it. */
interface Nursery {
  readonly zygote: RootZygote;
  readonly spares: Spares;
}

const FIRST_RESTART_MS = 50;
const LAST_RESTART_MS = 5000;
/** Each process that is found dead costs one; when the root zygote has died, the next one comes from another. */
const MAX_ATTEMPTS = 3;

/** Makes sandboxes by forking a root zygote into namespaces of their own. */
export class SockEngine implements Engine {
  readonly name = 'sock';
  readonly #options: SockEngineOptions;
  readonly #uids: UidPool;
  readonly #sandboxes = new Set<SockSandbox>();
  #nursery: Promise<Nursery>;
  #nextId = 1;
  #nextInstance = 1;
  #isClosed = false;

  /** Resolves when a first sandbox has got as far as it can without code. Throws what `RootZygote.start` throws. */
  static async start(options: SockEngineOptions): Promise<SockEngine> {
    const engine = new SockEngine(options);
    try {
      await engine.#tryOut();
      return engine;
    } catch (error) {
      await engine.close();
      throw error;
    }
  }

  private constructor(options: SockEngineOptions) {
    this.#options = options;
    this.#uids = new UidPool(options.uidBase);
    this.#nursery = this.#makeNursery();
  }

  async create(code: Code): Promise<Sandbox> {
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
      const { spares } = await this.#nursery;
      const process = spares.take();
      const sandbox = this.#tryStart(code, process);
      if (sandbox !== null) return sandbox;
      // It was dead, and perhaps its zygote with it: after this we know of both.
      await process.ended;
      await setImmediate();
    }
    const reason = 'what it would have been made of died again and again';
    throw new OlError('ERR_SANDBOX_START', { name: code.name, reason });
  }

  /** Null where the process died before it could start. Throws ERR_SANDBOX_START. */
  #tryStart(code: Code, process: SandboxProcess): Sandbox | null {
    try {
      return this.#startSandbox(code, process);
    } catch (cause) {
      process.kill();
      const reason = (cause as Error).message;
      throw new OlError('ERR_SANDBOX_START', { name: code.name, reason }, { cause });
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    const nursery = await this.#nursery.catch(() => null); // one that never came up has nothing to close
    const all = [...this.#sandboxes].map((sandbox) => sandbox.destroy('the worker ends'));
    if (nursery !== null) {
      await nursery.spares.close();
      await nursery.zygote.close();
    }
    await Promise.all(all);
  }

  /** Null where the process has died; the sandbox that was nearly made goes by itself. */
  #startSandbox(code: Code, process: SandboxProcess): SockSandbox | null {
    const { timing, handlersDir } = this.#options;
    const watch = timing === null ? null : new Stopwatch(timing);
    const instance = this.#nextInstance++;
    using held = new DisposableStack();
    const hold = (fd: number): number => {
      held.defer(() => closeSync(fd));
      return fd;
    };
    const scratch = makeScratch(join(handlersDir, code.name, String(instance)), process.uid);
    const pipe = new ServerPipe(scratch.connection, code.name);
    const sandbox = new SockSandbox({
      functionName: code.name,
      instance,
      process,
      pipe,
      memLimitMb: this.#options.memLimitMb,
      cleanUp: () => removeScratch(scratch.dir),
    });
    this.#remember(sandbox);
    watch?.lap('cold:scratch');
    const descriptors = {
      listener: hold(scratch.listener),
      code: hold(detachedMount(code.dir, 'read-only')),
      scratch: hold(detachedMount(scratch.dir, 'writable')),
    };
    watch?.lap('cold:mounts');
    const isStarted = process.start(descriptors, ([woke, attached, dropped]) => {
      watch?.lapAt('sandbox:wake', woke);
      watch?.lapAt('sandbox:attach', attached);
      watch?.lapAt('sandbox:drop', dropped);
    });
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

  #fork(zygote: RootZygote): SandboxProcess {
    const { cgroups } = this.#options;
    const cgroup = cgroups?.take() ?? null;
    const process = new SandboxProcess(zygote, { id: this.#nextId++, uid: this.#uids.take(), cgroup });
    void process.ended.then((end) => {
      this.#uids.giveBack(process.uid);
      if (cgroup !== null) cgroups?.giveBack(cgroup);
      if (end.failure !== null)
        this.#options.log.error({ failure: end.failure }, 'sandbox could not be made');
    });
    return process;
  }

  async #makeNursery(): Promise<Nursery> {
    const { log, onZygote, spares: wanted } = this.#options;
    const zygote = await RootZygote.start(this.#launchSettings(), log);
    await onZygote(zygote.pid);
    const spares = new Spares({ wanted, fork: () => this.#fork(zygote) });
    void zygote.gone.then((how) => this.#replaceZygote(how));
    spares.refill();
    return { zygote, spares };
  }

  /** A root zygote never ends by itself while we need it. Every sandbox went with it; the next ones need a new one. */
  #replaceZygote(how: string): void {
    if (this.#isClosed) return;
    this.#options.log.error({ how }, 'the root zygote died, and its sandboxes with it: starting another');
    this.#nursery = this.#retryNursery(FIRST_RESTART_MS);
  }

  async #retryNursery(delayMs: number): Promise<Nursery> {
    try {
      return await this.#makeNursery();
    } catch (error) {
      if (this.#isClosed) throw error;
      this.#options.log.error({ err: error, delayMs }, 'the root zygote did not start: trying again');
      await new Promise((resolve) => setTimeout(resolve, delayMs));
      return await this.#retryNursery(Math.min(delayMs * 2, LAST_RESTART_MS));
    }
  }

  /** Makes one sandbox without code, so that what this machine lacks is told at the start and not to a client. */
  async #tryOut(): Promise<void> {
    const { zygote } = await this.#nursery;
    const process = this.#fork(zygote);
    await process.waiting;
    const failed = !process.isWaiting;
    process.kill();
    const { failure } = await process.ended;
    if (failed) throw new OlError('ERR_ZYGOTE', { reason: failure ?? 'the first sandbox ended at once' });
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
        open_files_max: this.#options.openFilesMax,
        timing: timing !== null,
      },
    };
  }
}
