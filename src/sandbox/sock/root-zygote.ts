import { closeSync } from 'node:fs';
import { OlError } from '../../errors.ts';
import { signalPidfd } from '../../linux/pidfd.ts';
import { signalName } from '../../linux/signals.ts';
import { seqpacketPair } from '../../linux/sockets.ts';
import type { Children } from './children.ts';
import { type Exit, HOT_PAGES, IMAGE, type ZygoteEvent } from './control.ts';
import { ForkChannel } from './fork-channel.ts';
import type { Init, RootListener } from './init.ts';
import { Linking } from './linking.ts';
import type { UidRange } from './uid-range.ts';
import type { Fork, ProcessListener, Root, Zygote, ZygoteFork } from './zygote.ts';

const SIGKILL = 9;
/** A start takes a tenth of a second; from a disk that sleeps, a few. */
const START_MS = 30_000;
/** How often it is asked whether it is alive, where it owes no other answer. */
const PINGS_IN_SILENCE = 3;

export interface RootZygoteOptions {
  /** True where sandboxes are linked to a router. */
  readonly hasRouter: boolean;
  readonly uids: UidRange;
  /** How long it may owe an answer; then it is ended. */
  readonly silentMs: number;
}

/** The process that all others are forked from, directly or not. When it ends, its sandboxes go on: PID 1 tells of their ends then. */
export class RootZygote implements Zygote, Root {
  readonly gone: Promise<string>;
  readonly uids: UidRange;
  readonly entryKind = null;
  readonly children: Children;
  readonly linking: Linking | null;
  /** Its own have theirs from the fork on. */
  readonly linksLater = false;
  readonly #init: Init;
  readonly #channel: ForkChannel;
  readonly #listener: RootListener;
  readonly #ready = Promise.withResolvers<void>();
  readonly #ended = Promise.withResolvers<string>();
  readonly #uponEnd = new Set<(how: string) => void>();
  #pings: NodeJS.Timeout | null = null;
  #pidfd: number | null = null;
  /** Why we have ended it. */
  #failure: string | null = null;
  /** Told of the image that it makes. */
  #imaged: (pages: number) => void = () => {};
  #isGone = false;
  #cacheTag = '';

  /** Resolves when it can fork. Throws ERR_NO_PYTHON, ERR_ZYGOTE. */
  static async start(init: Init, options: RootZygoteOptions): Promise<RootZygote> {
    const [ours, theirs] = seqpacketPair();
    const zygote = new RootZygote(init, ours, options);
    init.startZygote(theirs, zygote.#listener);
    const late = setTimeout(() => zygote.#fail(`it was not ready after ${START_MS} ms`), START_MS);
    await zygote.#ready.promise.finally(() => clearTimeout(late));
    const everyMs = options.silentMs / PINGS_IN_SILENCE;
    zygote.#pings = setInterval(() => zygote.#channel.ping(), everyMs).unref();
    return zygote;
  }

  private constructor(init: Init, control: number, { hasRouter, uids, silentMs }: RootZygoteOptions) {
    this.#init = init;
    this.children = init.children;
    this.uids = uids;
    this.gone = this.#ended.promise;
    const onSilent = () => this.#fail(`it did not answer for ${silentMs} ms`);
    // It runs trusted code only: there is nothing to inspect.
    this.#channel = new ForkChannel(control, { inspect: () => true, silentMs, onSilent });
    this.linking = hasRouter ? new Linking((message, fds) => this.#channel.send(message, fds)) : null;
    this.#listener = {
      forked: (pidfd) => this.#forked(pidfd),
      event: (event) => this.#take(event),
      exited: (exit) => this.#exited(exit),
      allGone: (how) => this.#allGone(how),
    };
  }

  get isGone(): boolean {
    return this.#isGone;
  }

  get root(): Root {
    return this;
  }

  uponEnd(end: (how: string) => void): () => void {
    this.#uponEnd.add(end);
    return () => this.#uponEnd.delete(end);
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

  /** What is forked from now on copies these pages ahead of time (`hot-pages.ts`). The file is closed by whoever has opened it. */
  warmUp(file: number): void {
    this.#channel.send(HOT_PAGES, [file]);
  }

  /**
   * Gives it the memory of an idle sandbox, whose file is closed by whoever has opened it. Resolves with the number of pages that it has
   * in common with that; 0 where nothing comes of it, because it ends, for one.
   */
  async takeImage(memory: number): Promise<number> {
    const imaged = Promise.withResolvers<number>();
    this.#imaged = imaged.resolve;
    this.#channel.send(IMAGE, [memory]);
    return await Promise.race([imaged.promise, this.gone.then(() => 0)]);
  }

  /** The kernel kills a stopped process, too. */
  #fail(reason: string): void {
    if (this.#isGone) return;
    this.#failure ??= reason;
    if (this.#pidfd !== null) signalPidfd(this.#pidfd, SIGKILL);
    this.#init.expectEnd();
  }

  #forked(pidfd: number): void {
    this.#pidfd = pidfd;
    if (this.#failure !== null) this.#fail(this.#failure);
  }

  #take(event: ZygoteEvent): void {
    switch (event.event) {
      case 'ready':
        if (this.#isGone) return;
        this.#cacheTag = event.cache_tag;
        return this.#ready.resolve();
      case 'pong':
        return this.#isGone ? undefined : this.#channel.ponged();
      case 'imaged':
        return this.#isGone ? undefined : this.#imaged(event.pages);
      case 'linked':
        this.linking?.settle(event.id, null);
        return;
      case 'failed': {
        const failure = `${event.step}: ${event.error}`;
        if (event.step === 'network' && this.linking?.settle(event.id, failure) === true) return;
        return this.#channel.handle(event);
      }
      case 'fatal':
      case 'launched':
      case 'reaped':
        return;
      default:
        return this.#channel.handle(event);
    }
  }

  #exited(exit: Exit | OlError): void {
    const how = describeExit(exit);
    this.#leave();
    this.#channel.close();
    this.linking?.end();
    const orphans = this.#channel.living().map(({ id, pid, pidfd }) => {
      const listener = (end: Exit) => {
        this.#channel.exited(id, end);
        this.#detachIfUnused();
      };
      return { pid, pidfd, listener };
    });
    this.children.adopt(orphans);
    this.#detachIfUnused();
    this.#settle(how, exit instanceof OlError ? exit : null);
  }

  /** Sandboxes that it has left are still told of here. */
  #detachIfUnused(): void {
    if (this.#channel.living().length === 0) this.#init.detach(this.#listener);
  }

  #allGone(how: string): void {
    this.#leave();
    this.#channel.endAll();
    this.#settle(how, null);
  }

  #leave(): void {
    this.#isGone = true;
    if (this.#pings !== null) clearInterval(this.#pings);
    if (this.#pidfd !== null) closeSync(this.#pidfd);
    this.#pidfd = null;
  }

  #settle(how: string, error: OlError | null): void {
    const why = this.#failure ?? how;
    this.#ready.reject(error ?? this.#init.startError(why));
    this.#ready.promise.catch(() => {}); // where it was ready nobody asks
    for (const end of this.#uponEnd) end(why);
    this.#ended.resolve(why);
  }
}

function describeExit(exit: Exit | OlError): string {
  if (exit instanceof OlError) return exit.message;
  return exit.signal === null ? `exit code ${exit.code}` : `signal ${signalName(exit.signal)}`;
}
