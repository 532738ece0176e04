import { OlError } from '../../errors.ts';
import { signalName } from '../../linux/signals.ts';
import {
  type Death,
  describeDeath,
  type Sandbox,
  type SandboxRequest,
  type SandboxResponse,
} from '../sandbox.ts';
import { PipeError, type ServerPipe } from '../server-pipe.ts';
import { memoryOfTree } from './memory.ts';
import type { ProcessEnd, SandboxProcess } from './process.ts';
import type { Spare } from './spare.ts';

/** A process that closed its connection has this long to be gone; then it is ended for breaking the protocol. */
const CLOSING_MS = 1000;

export interface SockSandboxParts {
  readonly functionName: string;
  readonly instance: number;
  readonly spare: Spare;
  /** For messages. */
  readonly memLimitMb: number;
}

/** A sandbox of the `sock` engine: a process in namespaces of its own, reached over `server_pipe`. */
export class SockSandbox implements Sandbox {
  readonly id: string;
  readonly functionName: string;
  readonly createdAt = performance.now();
  readonly dead: Promise<Death>;
  readonly #process: SandboxProcess;
  readonly #pipe: ServerPipe;
  readonly #memLimitMb: number;
  #reason: string | null = null;
  #isDead = false;
  #isPaused = false;
  #hasAnswered = false;

  constructor({ functionName, instance, spare, memLimitMb }: SockSandboxParts) {
    this.id = `${functionName}/${instance}`;
    this.functionName = functionName;
    this.#process = spare.process;
    this.#pipe = spare.pipe;
    this.#memLimitMb = memLimitMb;
    void spare.process.ended.then(() => {
      this.#isDead = true;
    });
    this.dead = spare.gone.then((end) => this.#death(end));
  }

  async request(request: SandboxRequest): Promise<SandboxResponse> {
    this.unpause();
    try {
      const response = await this.#pipe.exchange(request);
      this.#hasAnswered = true;
      return response;
    } catch (error) {
      if (error instanceof PipeError) throw await this.#explain(error, request);
      throw error;
    }
  }

  isLoading(): boolean {
    return !this.#hasAnswered && this.#pipe.isUnread();
  }

  async pause(): Promise<void> {
    const { cgroup } = this.#process;
    if (this.#isPaused || this.#isDead || cgroup === null) return;
    this.#isPaused = true;
    await cgroup.pause();
  }

  unpause(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    if (!this.#isDead) this.#process.cgroup?.unpause();
  }

  destroy(reason: string): Promise<Death> {
    this.#reason ??= reason;
    this.#process.kill();
    return this.dead;
  }

  pid(): number | null {
    return this.#process.pid();
  }

  async memoryKb(): Promise<number> {
    if (this.#isDead) return 0;
    const { cgroup } = this.#process;
    if (cgroup !== null) return cgroup.usage().memoryKb;
    const pid = this.pid();
    return pid === null ? 0 : await memoryOfTree(pid);
  }

  #death({ code, signal, outOfMemory }: ProcessEnd): Death {
    return { code, signal: signal === null ? null : signalName(signal), reason: this.#reason, outOfMemory };
  }

  /** What a broken exchange means for the client; the sandbox is on its way out after it. */
  async #explain(error: PipeError, request: SandboxRequest): Promise<OlError> {
    const name = this.functionName;
    const options = { cause: error };
    if (error.failure === 'closed' || error.failure === 'unread') return await this.#explainClosed(error);
    void this.destroy(error.message);
    switch (error.failure) {
      case 'timeout':
        return new OlError('ERR_TIMEOUT', { name, limitMs: request.timeoutMs }, options);
      case 'too-large': {
        const limitKb = Math.floor(request.responseMaxBytes / 1024);
        return new OlError('ERR_RESPONSE_TOO_LARGE', { name, limitKb }, options);
      }
      case 'protocol':
        return new OlError('ERR_BAD_RESPONSE', { name, reason: error.message }, options);
    }
  }

  async #explainClosed(cause: PipeError): Promise<OlError> {
    const name = this.functionName;
    const timer = Promise.withResolvers<null>();
    const timeout = setTimeout(() => timer.resolve(null), CLOSING_MS);
    const end = await Promise.race([this.#process.ended, timer.promise]);
    clearTimeout(timeout);
    if (end === null) {
      void this.destroy('it closed its connection');
      return new OlError(
        'ERR_BAD_RESPONSE',
        { name, reason: 'it closed its connection and went on' },
        { cause },
      );
    }
    if (end.failure !== null)
      return new OlError('ERR_SANDBOX_START', { name, reason: end.failure }, { cause });
    if (end.outOfMemory)
      return new OlError('ERR_OUT_OF_MEMORY', { name, limitMb: this.#memLimitMb }, { cause });
    const how = describeDeath(this.#death(end));
    const code = cause.failure === 'unread' ? 'ERR_SANDBOX_GONE' : 'ERR_SANDBOX_DIED';
    return new OlError(code, { name, how }, { cause });
  }
}
