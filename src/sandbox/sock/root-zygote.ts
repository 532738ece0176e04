import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { CgroupEntry } from '../../cgroup/cgroup.ts';
import { OlError } from '../../errors.ts';
import { isReceiverGone, receiveWithFds, sendWithFds, seqpacketPair } from '../../linux/sockets.ts';
import type { Log } from '../../telemetry/log.ts';
import {
  decodeEvent,
  type EntryKind,
  type ForkRequest,
  forkRequest,
  type LaunchSettings,
  MAX_FORKS,
  type ZygoteEvent,
} from './control.ts';

/** The distribution's Python; another one in PATH is outside the base image. */
const PYTHON = '/usr/bin/python3';
const RUNTIME_DIR = fileURLToPath(new URL('../../../runtime/python', import.meta.url));

/** More requests than this would fill the socket's buffer; the rest wait here. */
const MAX_FORKS_IN_FLIGHT = 64;
const SIGKILL = 9;

const NO_CGROUP: EntryKind = { kind: 'none', count: 0 };

/** What happens to a sandbox's process, as its zygote tells it. Each is called at most once. */
export interface ProcessListener {
  forked(pidfd: number): void;
  /** All that can be done ahead of time is done. */
  waiting(): void;
  /** Only when timing is on: see the event. */
  started(times: readonly [number, number, number]): void;
  failed(step: string, error: string): void;
  /** Always the last. */
  exited(code: number | null, signal: number | null): void;
}

interface Fork extends ForkRequest {
  /** Its control socket's end, scratch and listener: see the protocol. Closed when they are sent. */
  readonly fds: readonly [number, number, number];
  /** How it gets into its cgroup; disposed of when it is sent. All forks of a zygote have the same kind, or none. */
  readonly entry: CgroupEntry | null;
}

/** The process that all sandboxes are forked from. When it goes, the kernel kills every sandbox. */
export class RootZygote {
  /** Resolves with how it ended, when it and all its sandboxes are gone. Never rejects. */
  readonly gone: Promise<string>;
  readonly #child: ChildProcess;
  readonly #control: number;
  readonly #listeners = new Map<number, ProcessListener>();
  readonly #queue: Fork[] = [];
  #inFlight = 0;
  #isGone = false;
  #pid = 0;
  #cacheTag = '';

  /** Resolves when it can fork. Throws ERR_NO_PYTHON, ERR_KERNEL, ERR_ZYGOTE. */
  static async start(
    settings: Omit<LaunchSettings, 'runtime' | 'worker_pid'>,
    log: Log,
  ): Promise<RootZygote> {
    const [ours, theirs] = seqpacketPair();
    // A group of its own: ctrl-C in the terminal is for the worker, which lets requests finish.
    const child = spawn(PYTHON, ['-I', '-S', '-B', `${RUNTIME_DIR}/launch.py`], {
      stdio: ['pipe', 'ignore', 'pipe', theirs, 'pipe'],
      env: {},
      cwd: '/',
      detached: true,
    });
    closeSync(theirs);
    const launch: LaunchSettings = { ...settings, runtime: RUNTIME_DIR, worker_pid: process.pid };
    const zygote = new RootZygote(child, ours, log);
    await zygote.#ready(JSON.stringify(launch));
    return zygote;
  }

  private constructor(child: ChildProcess, control: number, log: Log) {
    this.#child = child;
    this.#control = control;
    const stderr = createInterface({ input: child.stderr as Readable });
    stderr.on('line', (line) => log.warn({ line }, 'root zygote'));
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

  /** What its Python puts into the names of compiled files: `cpython-311`. */
  get cacheTag(): string {
    return this.#cacheTag;
  }

  /**
   * Asks for a sandbox; what is sent with the request is closed here. Where the zygote
   * is gone, or goes before it has forked, the listener is told of an exit.
   */
  fork(fork: Fork, listener: ProcessListener): void {
    if (this.#isGone) {
      discard(fork);
      return listener.exited(null, SIGKILL);
    }
    this.#listeners.set(fork.id, listener);
    this.#queue.push(fork);
    // What is asked for in one go is forked in one go, and then shares more of its memory.
    if (this.#queue.length === 1) queueMicrotask(() => this.#isGone || this.#pump());
  }

  /** Ends it and with it all sandboxes; resolves when they are gone. */
  async close(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.gone;
  }

  async #ready(launch: string): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const events = createInterface({ input: this.#child.stdio[4] as Readable });
    events.on('line', (line) => {
      const event = decodeEvent(line);
      if (event.event === 'launched') this.#pid = event.pid;
      else if (event.event === 'ready') {
        this.#cacheTag = event.cache_tag;
        resolve();
      } else if (event.event === 'fatal') reject(startError(event.step, event.error));
      else this.#dispatch(event);
    });
    this.#child.on('error', (cause) => {
      const reason = `${cause.message}; install the distribution's python3, 3.9 or newer`;
      reject(new OlError('ERR_NO_PYTHON', { path: PYTHON, reason }, { cause }));
    });
    const stdin = this.#child.stdin as Writable;
    // It may be dead already; then `gone` tells more than the broken pipe.
    stdin.on('error', () => {});
    stdin.end(launch);
    this.gone.then((how) => reject(startError('start', how)), reject);
    await promise;
  }

  #pump(): void {
    while (this.#queue.length > 0 && this.#inFlight < MAX_FORKS_IN_FLIGHT) {
      const forks = this.#queue.splice(0, MAX_FORKS);
      this.#inFlight += forks.length;
      this.#send(forks);
    }
  }

  #send(forks: readonly Fork[]): void {
    const entry = forks[0]?.entry ?? null;
    const how = entry === null ? NO_CGROUP : { kind: entry.kind, count: entry.fds.length };
    const fds = forks.flatMap((fork) => [...fork.fds, ...(fork.entry?.fds ?? [])]);
    try {
      sendWithFds(this.#control, forkRequest(how, forks), fds);
    } catch (error) {
      // It has died, and we are about to be told: `#end` will tell the listeners.
      if (!isReceiverGone(error)) throw error;
    } finally {
      for (const fork of forks) discard(fork);
    }
  }

  #dispatch(event: Exclude<ZygoteEvent, { event: 'fatal' | 'ready' | 'launched' }>): void {
    const listener = this.#listeners.get(event.id);
    if (event.event === 'forked' || (event.event === 'failed' && event.step === 'fork')) {
      this.#inFlight--;
      this.#pump();
    }
    if (event.event === 'forked') this.#takePidfds();
    else if (event.event === 'waiting') listener?.waiting();
    else if (event.event === 'started') listener?.started(event.times);
    else if (event.event === 'failed') {
      listener?.failed(event.step, event.error);
      if (event.step === 'fork') this.#exited(event.id, 1, null);
    } else this.#exited(event.id, event.code, event.signal);
  }

  /** A pidfd comes on the control socket before the event that tells of it. */
  #takePidfds(): void {
    for (;;) {
      const received = receiveWithFds(this.#control);
      const [pidfd] = received?.fds ?? [];
      if (received === null || pidfd === undefined) return;
      const listener = this.#listeners.get(Number(received.message.toString()));
      if (listener === undefined) closeSync(pidfd);
      else listener.forked(pidfd);
    }
  }

  #exited(id: number, code: number | null, signal: number | null): void {
    const listener = this.#listeners.get(id);
    this.#listeners.delete(id);
    listener?.exited(code, signal);
  }

  #end(how: string): string {
    this.#isGone = true;
    closeSync(this.#control);
    for (const fork of this.#queue.splice(0)) discard(fork);
    for (const id of [...this.#listeners.keys()]) this.#exited(id, null, SIGKILL);
    return how;
  }
}

function discard({ fds, entry }: Fork): void {
  for (const fd of fds) closeSync(fd);
  entry?.[Symbol.dispose]();
}

function startError(step: string, error: string): OlError {
  if (step === 'python') {
    return new OlError('ERR_NO_PYTHON', { path: PYTHON, reason: `${error}; 3.9 or newer is needed` });
  }
  return new OlError('ERR_ZYGOTE', { reason: `${step}: ${error}` });
}
