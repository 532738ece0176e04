import { closeSync, readFileSync } from 'node:fs';
import type { Cgroup } from '../../cgroup/cgroup.ts';
import { OlError } from '../../errors.ts';
import { isOutOfDescriptors } from '../../linux/out-of-descriptors.ts';
import { pidsOf, signalPidfd } from '../../linux/pidfd.ts';
import { isProcessGone } from '../../linux/process-gone.ts';
import { signalName } from '../../linux/signals.ts';
import { seqpacketPair, streamPair } from '../../linux/sockets.ts';
import type { Log } from '../../telemetry/log.ts';
import { privateMemoryKb } from '../memory.ts';
import type { Loaded } from '../zygotes.ts';
import { type Exit, HOT_PAGES, type Wanted } from './control.ts';
import { type ForeignEvent, ForeignEvents } from './foreign-events.ts';
import { ForkChannel } from './fork-channel.ts';
import type { UidRange } from './uid-range.ts';
import type { Fork, ProcessListener, Root, Zygote, ZygoteFork } from './zygote.ts';
import { ZygoteHome } from './zygote-home.ts';

const SIGKILL = 9;
const KILLED: Exit = { code: null, signal: SIGKILL };

export interface PackageZygoteParts {
  readonly parent: Zygote;
  /** Among all that is forked. */
  readonly id: number;
  /** Its directory on the host, which must not exist yet. */
  readonly home: string;
  readonly wanted: Wanted;
  /** Makes what bounds it; null for no bounds. */
  readonly makeCgroup: ((name: string) => Cgroup) | null;
  readonly timeoutMs: number;
  /** How long it may owe an answer, once it can fork; then it is ended. */
  readonly silentMs: number;
  readonly log: Log;
}

type Imported = Extract<ForeignEvent, { event: 'imported' }>;

/**
 * An interpreter with modules imported that sandboxes, and further zygotes, are forked from. It runs foreign code: what it
 * tells is checked, and of ends the root zygote tells. When it dies, what was forked from it lives on.
 */
export class PackageZygote implements Zygote {
  readonly gone: Promise<string>;
  readonly root: Root;
  readonly uids: UidRange;
  readonly entryKind = 'write-self';
  readonly children: Zygote['children'];
  readonly linking: Zygote['linking'];
  readonly #parts: PackageZygoteParts;
  readonly #home: ZygoteHome;
  /** Its own, and destroyed with it. */
  readonly #cgroup: Cgroup | null;
  readonly #channel: ForkChannel;
  readonly #events: ForeignEvents;
  readonly #imported = Promise.withResolvers<Imported>();
  readonly #exited = Promise.withResolvers<Exit>();
  /** Sandboxes that are to be linked when they are forked, each of them once. */
  readonly #toLink = new Map<number, ProcessListener>();
  readonly #forgetRoot: () => void;
  #pidfd: number | null = null;
  #pid: number | null = null;
  /** Why it is ended by us, or what it told of its own failure. */
  #failure: string | null = null;
  #broken: string | null = null;
  #importMs = 0;
  #memoryKb = 0;
  #loaded: Loaded = { before: [], steps: [] };
  #isGone = false;

  /**
   * Resolves when it can fork. Rejects with ERR_IMPORT (`brokenModule` tells whether one module alone was in the way), or with
   * ERR_ZYGOTE where the root zygote has died; leaves nothing then.
   */
  static async start(parts: PackageZygoteParts): Promise<PackageZygote> {
    const zygote = new PackageZygote(parts);
    const late = setTimeout(() => zygote.#end(`it took longer than ${parts.timeoutMs} ms`), parts.timeoutMs);
    try {
      await zygote.#isImported();
      return zygote;
    } finally {
      clearTimeout(late);
    }
  }

  private constructor(parts: PackageZygoteParts) {
    using undo = new DisposableStack();
    const { parent, id, home, wanted } = parts;
    this.#parts = parts;
    this.children = parent.children;
    this.linking = parent.linking;
    this.root = parent.root;
    const uids = parent.uids.takeRange();
    if (uids === null) throw importError(wanted, 'no host uids are left for it');
    undo.defer(() => uids.close());
    this.uids = uids;
    this.#home = new ZygoteHome(home, uids.base, wanted);
    undo.defer(() => void this.#home.remove());
    const cgroup = parts.makeCgroup?.(`zygote-${id}`) ?? null;
    undo.defer(() => void cgroup?.destroy());
    this.#cgroup = cgroup;
    const mount = undo.adopt(this.#home.open(), closeSync);
    const [control, theirControl] = seqpacketPair();
    undo.adopt(theirControl, closeSync);
    this.#channel = new ForkChannel(control, {
      inspect: (of, pidfd, pid) => this.#inspect(of, pidfd, pid),
      silentMs: parts.silentMs,
      onSilent: () => this.#end(`it did not answer for ${parts.silentMs} ms`),
    });
    undo.defer(() => this.#channel.close());
    const [events, theirEvents] = streamPair();
    undo.adopt(theirEvents, closeSync);
    this.#events = new ForeignEvents(events, {
      event: (event) => this.#take(event),
      broken: (reason) => this.#end(`it broke the protocol: ${reason}`),
    });
    undo.defer(() => this.#events.close());
    const entry = cgroup?.openEntry('write-self') ?? null;
    undo.move();
    this.gone = this.#exited.promise.then((exit) => this.#leave(exit));
    const fds = [theirControl, theirEvents, mount] as const;
    parent.forkZygote({ id, uidBase: uids.base, uidCount: uids.count, fds, entry }, this.#listener());
    // What is forked from it could not be linked to the router any more, nor cut off from it at its end, where somebody here keeps
    // its namespace. The next root zygote gets others.
    this.#forgetRoot = this.root.uponEnd((how) => this.#end(`the root zygote died: ${how}`));
  }

  get linksLater(): boolean {
    return this.linking !== null;
  }

  get importMs(): number {
    return this.#importMs;
  }

  /** As it tells it. */
  get loaded(): Loaded {
    return this.#loaded;
  }

  /** What it has in memory beyond its parent, in kB, as it was when it had imported. */
  get memoryKb(): number {
    return this.#memoryKb;
  }

  /** Its pid as this process sees it; null when it is gone. */
  get pid(): number | null {
    return this.#pid;
  }

  fork(fork: Fork, listener: ProcessListener): void {
    if (this.linking !== null) this.#toLink.set(fork.id, listener);
    const exited = (code: number | null, signal: number | null) => {
      this.#toLink.delete(fork.id);
      this.linking?.forget(fork.id);
      listener.exited(code, signal);
    };
    this.#channel.ask({ sandbox: fork }, { ...listener, exited });
  }

  forkZygote(fork: ZygoteFork, listener: ProcessListener): void {
    this.#channel.ask({ zygote: fork }, listener);
  }

  /** What is forked from now on copies these pages ahead of time (`hot-pages.ts`). The file is closed by whoever has opened it. */
  warmUp(file: number): void {
    this.#channel.send(HOT_PAGES, [file]);
  }

  /** Ends it; what was forked from it goes on. Resolves when it is gone. Idempotent. */
  async close(reason = 'it is not needed any more'): Promise<void> {
    this.#end(reason);
    await this.gone;
  }

  #end(reason: string): void {
    if (this.#isGone) return;
    this.#failure ??= reason;
    if (this.#pidfd !== null) signalPidfd(this.#pidfd, SIGKILL);
    // It may have started others: a daemon, a compiler.
    this.#cgroup?.killAll();
  }

  #listener(): ProcessListener {
    return {
      forked: (pidfd) => {
        this.#pidfd = pidfd;
        this.#pid = this.#pidsOf(pidfd)[0] ?? null;
        if (this.#failure !== null) this.#end(this.#failure);
      },
      // The zygote that it is forked from tells only of what happens before it has a stream of its own.
      failed: (step, error) => {
        this.#failure ??= `${step}: ${error}`;
      },
      exited: (code, signal) => {
        // What it told last is on another stream than this: let that be read first.
        setImmediate(() => this.#exited.resolve({ code, signal }));
      },
    };
  }

  #take(event: ForeignEvent): void {
    if (event.event === 'imported') this.#imported.resolve(event);
    else if (event.event === 'failed' && event.id === this.#parts.id) {
      this.#failure ??= event.step === 'import' ? event.error : `${event.step}: ${event.error}`;
      this.#broken = this.#parts.wanted.modules[event.module ?? -1] ?? null;
    } else this.#channel.handle(event);
  }

  async #isImported(): Promise<void> {
    const { wanted } = this.#parts;
    // The modules are not to blame for the end of the root zygote.
    const error = (how: string) =>
      this.root.isGone ? new OlError('ERR_ZYGOTE', { reason: how }) : importError(wanted, how, this.#broken);
    const gone = this.gone.then((how) => Promise.reject(error(how)));
    const { us, tasks, loaded } = await Promise.race([this.#imported.promise, gone]);
    gone.catch(() => {}); // from now on its end is nobody's error
    this.#importMs = us / 1000;
    this.#loaded = asLoaded(wanted, loaded);
    this.#memoryKb = this.#pid === null ? 0 : await privateMemoryKb(this.#pid);
    const { path: home } = this.#home;
    this.#parts.log.info(
      { ...wanted, importMs: this.#importMs, memoryKb: this.#memoryKb, tasks, home },
      'modules imported ahead',
    );
  }

  /** Foreign code may hand us any process: one that is not of our uids is none of its sandboxes. */
  #inspect(id: number, pidfd: number, toldPid: number): boolean {
    const [pid, inRoot] = this.#pidsOf(pidfd);
    const uid = pid === undefined ? null : uidOf(pid);
    if (uid === null || inRoot === undefined) {
      void this.children.exitOf(toldPid).then((exit) => this.#tellEnd(id, exit));
      return false;
    }
    if (
      this.uids.has(uid) &&
      this.children.claim(inRoot, { pidfd, listener: (exit) => this.#tellEnd(id, exit) })
    ) {
      this.#link(id, inRoot, pidfd);
      return true;
    }
    this.#tellEnd(id, KILLED);
    this.#end('it broke the protocol: a process that it has not forked');
    return false;
  }

  /** None where it is gone. Where no descriptor is left to look with, the zygote goes, with what nobody could look at. */
  #pidsOf(pidfd: number): number[] {
    try {
      return pidsOf(pidfd);
    } catch (error) {
      if (!isOutOfDescriptors(error)) throw error;
      signalPidfd(pidfd, SIGKILL);
      this.#end((error as Error).message);
      return [];
    }
  }

  #link(id: number, pid: number, pidfd: number): void {
    const listener = this.#toLink.get(id);
    if (listener === undefined) return;
    this.#toLink.delete(id);
    const linked = (failure: string | null) => {
      if (failure === null) listener.linked?.();
      else listener.failed('network', failure);
    };
    this.linking?.ask({ id, pid, pidfd, linked });
  }

  /** After what was told on our event stream before it: the root zygote, who tells of ends, has another one. */
  #tellEnd(id: number, exit: Exit): void {
    setImmediate(() => this.#channel.exited(id, exit));
  }

  /** Gives back what it had. Its uids are free when the last sandbox of it is gone, too. */
  async #leave(exit: Exit): Promise<string> {
    const how = this.#failure ?? this.#explain(exit);
    this.#isGone = true;
    this.#forgetRoot();
    this.#channel.close();
    this.#events.close();
    if (this.#pidfd !== null) closeSync(this.#pidfd);
    this.#pidfd = null;
    this.#pid = null;
    try {
      await this.#cgroup?.destroy();
      await this.#home.remove();
      this.uids.close();
    } catch (error) {
      // Its uids stay taken: something that belongs to them is left.
      const { log } = this.#parts;
      log.error({ err: error, home: this.#home.path }, 'a package zygote left something behind');
    }
    return how;
  }

  #explain({ code, signal }: Exit): string {
    const hits = this.#cgroup?.hits();
    if (hits !== undefined && hits.oomKills > 0)
      return 'it was ended because memory was used up: raise import_mem_limit_mb';
    return signal === null ? `exit code ${code}` : `signal ${signalName(signal)}`;
  }
}

function asLoaded({ directories, modules }: Wanted, loaded: Imported['loaded']): Loaded {
  const [before = [], ...steps] = loaded.map((numbers) => numbers.flatMap((at) => directories[at] ?? []));
  return { before, steps: modules.map((module, at) => ({ module, directories: steps[at] ?? [] })) };
}

/** What raised while it was imported. */
class BrokenModule extends Error {
  readonly module: string;

  constructor(module: string) {
    super(`${module} raised while it was imported`);
    this.module = module;
  }
}

/** The module that was in the way of all others, where an error of `start` tells of one. */
export function brokenModule(error: unknown): string | null {
  return error instanceof OlError && error.cause instanceof BrokenModule ? error.cause.module : null;
}

function importError({ modules }: Wanted, reason: string, broken: string | null = null): OlError {
  const cause = broken === null ? undefined : new BrokenModule(broken);
  return new OlError('ERR_IMPORT', { modules: modules.join(', '), reason }, { cause });
}

/** The real host uid of a process; null where it is gone, or can't be looked at. */
function uidOf(pid: number): number | null {
  try {
    const match = /^Uid:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
    return match === null ? null : Number(match[1]);
  } catch (error) {
    if (isProcessGone(error) || isOutOfDescriptors(error)) return null;
    throw error;
  }
}
