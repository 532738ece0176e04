import type { ChildProcess } from 'node:child_process';
import { closeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { OlError } from '../../errors.ts';
import { isReceiverGone, receiveWithFds, sendWithFds, seqpacketPair } from '../../linux/sockets.ts';
import type { Log } from '../../telemetry/log.ts';
import { Children } from './children.ts';
import {
  decodeEvent,
  type Exit,
  type LaunchSettings,
  ROOT_ID,
  rootRequest,
  type ZygoteEvent,
} from './control.ts';
import { PYTHON, RUNTIME_DIR, spawnLauncher } from './launcher.ts';
import { Silence } from './silence.ts';

/** Its start takes some ten milliseconds; from a disk that sleeps, a few seconds. */
const START_MS = 30_000;

export interface InitOptions {
  readonly settings: Omit<LaunchSettings, 'runtime' | 'worker_pid'>;
  /** How long it may owe an answer; then it is ended, and all sandboxes with it. */
  readonly silentMs: number;
  readonly log: Log;
}

/** Of a root zygote. */
export interface RootListener {
  forked(pidfd: number): void;
  /** Of any zygote, or of what was forked from one. */
  event(event: ZygoteEvent): void;
  /** It has ended, or was not started; what it has forked lives on. */
  exited(exit: Exit | OlError): void;
  /** All are gone. Called in any case, if it is still attached. */
  allGone(how: string): void;
}

/**
 * PID 1 of the pid namespace of zygotes and sandboxes, with the launcher, which keeps what else they live in: the root, the router.
 * It starts root zygotes, one at a time, and is the parent of whatever a dead one leaves.
 */
export class Init {
  /** Resolves with how it ended, when all that lived in it is gone. Never rejects. */
  readonly gone: Promise<string>;
  readonly children = new Children();
  readonly #child: ChildProcess;
  readonly #control: number;
  readonly #listeners = new Set<RootListener>();
  readonly #launched = Promise.withResolvers<void>();
  readonly #silence: Silence;
  /** The one that lives, or is being started. */
  #current: RootListener | null = null;
  #generation = 0;
  /** Why something could not be made. */
  #fatal: OlError | null = null;
  /** Why we have ended it. */
  #failure: string | null = null;
  #pid = 0;
  #isGone = false;

  /** Resolves when it has been forked. Throws ERR_NO_PYTHON, ERR_KERNEL, ERR_NETWORK, ERR_ZYGOTE. */
  static async start(options: InitOptions): Promise<Init> {
    const [ours, theirs] = seqpacketPair();
    let child: ChildProcess;
    try {
      child = await spawnLauncher(theirs);
    } catch (error) {
      closeSync(ours);
      throw error;
    } finally {
      closeSync(theirs);
    }
    const init = new Init(child, ours, options);
    const launch: LaunchSettings = { ...options.settings, runtime: RUNTIME_DIR, worker_pid: process.pid };
    const stdin = child.stdin as Writable;
    // It may be dead already; then `gone` tells more than the broken pipe.
    stdin.on('error', () => {});
    stdin.end(JSON.stringify(launch));
    const late = setTimeout(() => init.kill(`it was not ready after ${START_MS} ms`), START_MS);
    await init.#launched.promise.finally(() => clearTimeout(late));
    return init;
  }

  private constructor(child: ChildProcess, control: number, { silentMs, log }: InitOptions) {
    this.#child = child;
    this.#control = control;
    this.#silence = new Silence(silentMs, () => this.kill(`it did not answer for ${silentMs} ms`));
    const stderr = createInterface({ input: child.stderr as Readable });
    stderr.on('line', (line) => log.warn({ line }, 'root zygote'));
    const events = createInterface({ input: child.stdio[4] as Readable });
    events.on('line', (line) => this.#take(decodeEvent(line)));
    const { promise, resolve } = Promise.withResolvers<string>();
    // 'close' comes after 'exit', when the last event has been read.
    child.on('close', (code, signal) => resolve(signal === null ? `exit code ${code}` : `signal ${signal}`));
    child.on('error', (error) => resolve(error.message));
    this.gone = promise.then((how) => this.#end(how));
  }

  /** Its pid as this process sees it. */
  get pid(): number {
    return this.#pid;
  }

  get isGone(): boolean {
    return this.#isGone;
  }

  /** Has a root zygote started, where there is none; `control`, its end of its control socket, is closed here. */
  startZygote(control: number, listener: RootListener): void {
    this.#listeners.add(listener);
    this.#current = listener;
    this.#fatal = null;
    this.#silence.owed();
    try {
      sendWithFds(this.#control, rootRequest(this.#generation++), [control]);
    } catch (error) {
      // It has died, and we are about to be told.
      if (!isReceiverGone(error)) throw error;
    } finally {
      closeSync(control);
    }
  }

  /** The zygote has been killed: it is to be told of that in time. */
  expectEnd(): void {
    this.#silence.owed();
  }

  /** Nothing more that is told is for this one. */
  detach(listener: RootListener): void {
    this.#listeners.delete(listener);
  }

  /** What went wrong where a root zygote ended before it was ready. */
  startError(how: string): OlError {
    return this.#fatal ?? startError('start', how);
  }

  /** Ends it and with it all sandboxes. The kernel kills a stopped process, too. */
  kill(reason: string): void {
    this.#failure ??= reason;
    this.#child.kill('SIGKILL');
  }

  /** The same; resolves when they are gone. */
  async close(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.gone;
  }

  #take(event: ZygoteEvent): void {
    if (event.event === 'launched') {
      this.#pid = event.pid;
      this.#launched.resolve();
    } else if (event.event === 'fatal') this.#fatal = startError(event.step, event.error);
    else if (event.event === 'reaped') this.children.reaped(event.pid, event);
    else if ('id' in event && event.id === ROOT_ID) this.#takeOfZygote(event);
    else for (const listener of this.#listeners) listener.event(event);
  }

  #takeOfZygote(event: ZygoteEvent): void {
    this.#silence.heard(false);
    const current = this.#current;
    if (event.event === 'forked') return this.#takePidfd(current);
    this.#current = null;
    if (event.event === 'exit') current?.exited(event);
    else if (event.event === 'failed') current?.exited(startError(event.step, event.error));
  }

  #takePidfd(current: RootListener | null): void {
    const [pidfd] = receiveWithFds(this.#control)?.fds ?? [];
    if (pidfd === undefined) this.kill('no descriptor is left for the root zygote');
    else if (current === null) closeSync(pidfd);
    else current.forked(pidfd);
  }

  #end(exit: string): string {
    this.#isGone = true;
    this.#silence.end();
    closeSync(this.#control);
    const how = this.#failure ?? exit;
    this.#launched.reject(this.startError(how));
    this.#launched.promise.catch(() => {}); // where it has been launched nobody asks
    this.#current = null;
    for (const listener of this.#listeners) listener.allGone(how);
    this.#listeners.clear();
    this.children.end();
    return how;
  }
}

function startError(step: string, error: string): OlError {
  if (step === 'python') {
    return new OlError('ERR_NO_PYTHON', { path: PYTHON, reason: `${error}; 3.9 or newer is needed` });
  }
  if (step === 'network') return new OlError('ERR_NETWORK', { reason: error });
  return new OlError('ERR_ZYGOTE', { reason: `${step}: ${error}` });
}
