import { inTime } from '../../in-time.ts';
import { signalName } from '../../linux/signals.ts';
import type { Log } from '../../telemetry/log.ts';
import type { NamedBounds, SandboxEnd } from '../explain.ts';
import { memoryOfTree } from '../memory.ts';
import { PipedSandbox } from '../piped-sandbox.ts';
import type { Death, Origin } from '../sandbox.ts';
import type { ScratchDir } from '../scratch/scratch-dir.ts';
import type { ServerPipe } from '../server-pipe.ts';
import type { ProcessEnd, SandboxProcess } from './process.ts';
import type { Spare } from './spare.ts';
import type { Root } from './zygote.ts';

/** Of a process that has closed its connection we are told at once. */
const CLOSING_MS = 1000;
/** For no longer is an end put off so that somebody can look: foreign code may make that slow. */
const LOOKING_MS = 100;

export interface SockSandboxParts {
  readonly functionName: string;
  readonly instance: number;
  readonly origin: Origin;
  readonly spare: Spare;
  readonly bounds: NamedBounds;
  readonly log: Log;
}

/** A sandbox of the `sock` engine: a process in namespaces of its own. */
export class SockSandbox extends PipedSandbox {
  readonly dead: Promise<Death>;
  /** The root zygote that it descends from. */
  readonly root: Root;
  readonly #process: SandboxProcess;
  readonly #scratch: ScratchDir;
  readonly #answered: Spare['answered'];
  #isPaused = false;
  /** Settles when it is looked at no more; null where nobody looks. */
  #looking: Promise<void> | null = null;

  constructor({ spare, ...parts }: SockSandboxParts) {
    super({ ...parts, pipe: spare.pipe, closingMs: CLOSING_MS });
    this.#scratch = spare.scratch.dir;
    this.#process = spare.process;
    this.#answered = spare.answered;
    this.root = spare.root;
    void spare.process.ended.then(({ pidsRefused }) => {
      this.isDead = true;
      if (pidsRefused > 0)
        parts.log.warn({ sandboxId: this.id, pidsRefused }, 'sandbox wanted more processes than procs_max');
      this.watched.end();
    });
    this.dead = spare.gone.then((end) => this.#death(end));
    void this.#endUnheard(spare.pipe);
  }

  get scratchDir(): string {
    return this.#scratch.path;
  }

  async pause(): Promise<void> {
    const { cgroup } = this.#process;
    if (this.#isPaused || this.isDead || cgroup === null) return;
    this.#isPaused = true;
    const paused = cgroup.pause();
    this.watched.rest();
    await paused;
  }

  unpause(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.watched.run();
    if (!this.isDead) this.#process.cgroup?.unpause();
  }

  pid(): number | null {
    return this.#process.pid();
  }

  async memoryKb(): Promise<number> {
    if (this.isDead) return 0;
    const { cgroup } = this.#process;
    if (cgroup !== null) return cgroup.memoryKb();
    const pid = this.pid();
    return pid === null ? 0 : await memoryOfTree(pid);
  }

  forksRefused(): number {
    return this.isDead ? 0 : (this.#process.cgroup?.forksRefused() ?? 0);
  }

  protected kill(): void {
    if (this.#looking === null) this.#process.kill();
    else void inTime(this.#looking, LOOKING_MS, () => {}).then(() => this.#process.kill());
  }

  protected override answeredFirst(): void {
    const pid = this.pid();
    this.#looking = pid === null ? null : (this.#answered?.(pid) ?? null);
    void this.#looking?.then(() => {
      this.#looking = null;
    });
  }

  /** A zygote that hangs does not reap it. */
  protected override hasEnded(): boolean {
    return this.isDead || this.#process.hasEnded();
  }

  protected async ended(): Promise<SandboxEnd> {
    const end = await this.#process.ended;
    return { death: this.#death(end), failure: end.failure };
  }

  #death({ code, signal, outOfMemory }: ProcessEnd): Death {
    return { code, signal: signal === null ? null : signalName(signal), reason: this.reason, outOfMemory };
  }

  /** One that has closed its connection while it was idle, or has spoken unasked, can do nothing for anybody any more. */
  async #endUnheard(pipe: ServerPipe): Promise<void> {
    await pipe.closed;
    // Whoever waits for an answer finds out what has become of it.
    if (this.isServing || (await inTime(this.#process.ended, CLOSING_MS, () => null)) !== null) return;
    void this.destroy('its connection was closed, or it spoke unasked');
  }
}
