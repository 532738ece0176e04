import type { ChildProcess } from 'node:child_process';
import { closeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { OlError } from '../../errors.ts';
import { seqpacketPair } from '../../linux/sockets.ts';
import type { Log } from '../../telemetry/log.ts';
import { Children } from './children.ts';
import { decodeEvent, type LaunchSettings } from './control.ts';
import { ForkChannel } from './fork-channel.ts';
import { PYTHON, RUNTIME_DIR, spawnLauncher } from './launcher.ts';
import { Linking } from './linking.ts';
import type { UidRange } from './uid-range.ts';
import type { Fork, ProcessListener, Zygote, ZygoteFork } from './zygote.ts';

/** A start takes a tenth of a second; from a disk that sleeps, a few. */
const START_MS = 30_000;
/** How often it is asked whether it is alive, where it owes no other answer. */
const PINGS_IN_SILENCE = 3;

export interface RootZygoteOptions {
  readonly settings: Omit<LaunchSettings, 'runtime' | 'worker_pid'>;
  readonly uids: UidRange;
  /** How long it may owe an answer; then it is ended. */
  readonly silentMs: number;
  readonly log: Log;
}

/** The process that all others are forked from, directly or not. When it goes, the kernel kills all of them. */
export class RootZygote implements Zygote {
  /** Resolves with how it ended, when it and all its sandboxes are gone. Never rejects. */
  readonly gone: Promise<string>;
  readonly uids: UidRange;
  readonly entryKind = null;
  readonly children = new Children();
  readonly linking: Linking | null;
  /** Its own have theirs from the fork on. */
  readonly linksLater = false;
  readonly #child: ChildProcess;
  readonly #channel: ForkChannel;
  #pings: NodeJS.Timeout | null = null;
  /** Why we have ended it. */
  #failure: string | null = null;
  #pid = 0;
  #cacheTag = '';

  /** Resolves when it can fork. Throws ERR_NO_PYTHON, ERR_KERNEL, ERR_NETWORK, ERR_ZYGOTE. */
  static async start(options: RootZygoteOptions): Promise<RootZygote> {
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
    const launch: LaunchSettings = { ...options.settings, runtime: RUNTIME_DIR, worker_pid: process.pid };
    const zygote = new RootZygote(child, ours, options);
    await zygote.#ready(JSON.stringify(launch));
    const everyMs = options.silentMs / PINGS_IN_SILENCE;
    zygote.#pings = setInterval(() => zygote.#channel.ping(), everyMs).unref();
    return zygote;
  }

  private constructor(child: ChildProcess, control: number, options: RootZygoteOptions) {
    const { settings, uids, silentMs, log } = options;
    this.#child = child;
    this.uids = uids;
    const onSilent = () => this.#fail(`it did not answer for ${silentMs} ms`);
    // It runs trusted code only: there is nothing to inspect.
    this.#channel = new ForkChannel(control, { inspect: () => true, silentMs, onSilent });
    const hasRouter = settings.network.kind === 'nat';
    this.linking = hasRouter ? new Linking((message, fds) => this.#channel.send(message, fds)) : null;
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

  fork(fork: Fork, listener: ProcessListener): void {
    this.#channel.ask({ sandbox: fork }, listener);
  }

  forkZygote(fork: ZygoteFork, listener: ProcessListener): void {
    this.#channel.ask({ zygote: fork }, listener);
  }

  /** Ends it and with it all sandboxes; resolves when they are gone. */
  async close(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.gone;
  }

  /** The kernel kills a stopped process, too. */
  #fail(reason: string): void {
    this.#failure ??= reason;
    this.#child.kill('SIGKILL');
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
      else if (event.event === 'pong') this.#channel.ponged();
      else if (event.event === 'linked') this.linking?.settle(event.id, null);
      else if (event.event === 'failed' && event.step === 'network')
        this.linking?.settle(event.id, `${event.step}: ${event.error}`);
      else if (event.event === 'reaped') this.children.reaped(event.pid, event);
      else this.#channel.handle(event);
    });
    const stdin = this.#child.stdin as Writable;
    // It may be dead already; then `gone` tells more than the broken pipe.
    stdin.on('error', () => {});
    stdin.end(launch);
    this.gone.then((how) => reject(startError('start', how)), reject);
    const late = setTimeout(() => this.#fail(`it was not ready after ${START_MS} ms`), START_MS);
    await promise.finally(() => clearTimeout(late));
  }

  #end(how: string): string {
    if (this.#pings !== null) clearInterval(this.#pings);
    this.#channel.endAll();
    this.children.end();
    return this.#failure ?? how;
  }
}

function startError(step: string, error: string): OlError {
  if (step === 'python') {
    return new OlError('ERR_NO_PYTHON', { path: PYTHON, reason: `${error}; 3.9 or newer is needed` });
  }
  if (step === 'network') return new OlError('ERR_NETWORK', { reason: error });
  return new OlError('ERR_ZYGOTE', { reason: `${step}: ${error}` });
}
