import { closeSync } from 'node:fs';
import { isReceiverGone, receiveWithFds, sendWithFds } from '../../linux/sockets.ts';
import {
  type EntryKind,
  type Exit,
  forkRequest,
  MAX_FORKS,
  PING,
  type ZygoteEvent,
  zygoteRequest,
} from './control.ts';
import { Silence } from './silence.ts';
import type { Fork, ProcessListener, ZygoteFork } from './zygote.ts';

/** More requests than this would fill the socket's buffer; the rest wait here. */
const MAX_FORKS_IN_FLIGHT = 64;
const NO_CGROUP: EntryKind = { kind: 'none', count: 0 };
const KILLED: Exit = { code: null, signal: 9 };

type Request = { readonly sandbox: Fork } | { readonly zygote: ZygoteFork };

/** What is told of one process that was forked. */
export type ProcessEvent = Extract<ZygoteEvent, { readonly id: number }>;

/** Looks at a process that was forked, by its pidfd and the pid that was told; false where it is not to be used. */
export type Inspect = (id: number, pidfd: number, pid: number) => boolean;

export interface ForkChannelOptions {
  readonly inspect: Inspect;
  /** How long the zygote may owe an answer and give none; it is told once, and the zygote is of no more use. */
  readonly silentMs: number;
  readonly onSilent: () => void;
}

/** What was forked and has not ended; its pid as the zygotes see it. */
export interface Living {
  readonly id: number;
  readonly pid: number;
  /** Null where no descriptor was left for it. */
  readonly pidfd: number | null;
}

/** The worker's end of one zygote's control socket: what is asked for, and what becomes of it. */
export class ForkChannel {
  readonly #control: number;
  readonly #inspect: Inspect;
  readonly #listeners = new Map<number, ProcessListener>();
  /** Of those that were forked. Their pidfds are the listeners'. */
  readonly #forked = new Map<number, Living>();
  readonly #queue: Request[] = [];
  /** Those that were sent and not forked yet. */
  readonly #sent = new Set<number>();
  readonly #silence: Silence;
  #isPinged = false;
  #isClosed = false;

  /** Takes over `control`. */
  constructor(control: number, { inspect, silentMs, onSilent }: ForkChannelOptions) {
    this.#control = control;
    this.#inspect = inspect;
    this.#silence = new Silence(silentMs, onSilent);
  }

  /** Has it show that it is alive, where it owes no answer anyway. */
  ping(): void {
    if (this.#isClosed || this.#isPinged || this.#sent.size > 0) return;
    this.#isPinged = true;
    this.#sendMessage(PING, []);
  }

  ponged(): void {
    this.#isPinged = false;
    this.#heard();
  }

  ask(request: Request, listener: ProcessListener): void {
    const fork = forkOf(request);
    if (this.#isClosed) {
      discard(fork);
      return listener.exited(KILLED.code, KILLED.signal);
    }
    this.#listeners.set(fork.id, listener);
    this.#queue.push(request);
    // What is asked for in one go is forked in one go, and then shares more of its memory.
    if (this.#queue.length === 1) queueMicrotask(() => this.#isClosed || this.#pump());
  }

  /** Sends another request, which something else than a fork comes of. Where the zygote has died nobody gets it. */
  send(message: Buffer, fds: readonly number[]): void {
    if (!this.#isClosed) this.#deliver(message, fds);
  }

  handle(event: ProcessEvent): void {
    const listener = this.#listeners.get(event.id);
    switch (event.event) {
      case 'forked':
        this.#takePidfds();
        return this.#settled(event.id);
      case 'waiting':
        return listener?.waiting?.();
      case 'started':
        return listener?.started?.(event.times);
      case 'failed':
        listener?.failed(event.step, event.error);
        if (event.step !== 'fork') return;
        this.exited(event.id, { code: 1, signal: null });
        return this.#settled(event.id);
      case 'exit':
        return this.exited(event.id, event);
    }
  }

  exited(id: number, { code, signal }: Exit): void {
    const listener = this.#listeners.get(id);
    this.#listeners.delete(id);
    this.#forked.delete(id);
    listener?.exited(code, signal);
  }

  living(): Living[] {
    return [...this.#forked.values()];
  }

  /** The zygote is gone: what it has not forked it never will. What it has forked may live on. */
  close(): void {
    if (this.#isClosed) return;
    this.#takePidfds();
    this.#isClosed = true;
    this.#silence.end();
    closeSync(this.#control);
    for (const request of this.#queue.splice(0)) {
      const fork = forkOf(request);
      discard(fork);
      this.exited(fork.id, KILLED);
    }
    for (const id of this.#sent) this.exited(id, KILLED);
  }

  /** All that it has forked is gone as well. */
  endAll(): void {
    this.close();
    for (const id of [...this.#listeners.keys()]) this.exited(id, KILLED);
  }

  #settled(id: number): void {
    this.#sent.delete(id);
    this.#heard();
    this.#pump();
  }

  #heard(): void {
    if (!this.#isClosed) this.#silence.heard(this.#isPinged || this.#sent.size > 0);
  }

  #pump(): void {
    while (!this.#isClosed && this.#queue.length > 0 && this.#sent.size < MAX_FORKS_IN_FLIGHT) {
      const [first] = this.#queue;
      if (first !== undefined && 'zygote' in first) {
        this.#queue.shift();
        this.#send([first.zygote], (how) => zygoteRequest(how, first.zygote));
      } else {
        const forks = this.#nextSandboxes();
        this.#send(forks, (how) => forkRequest(how, forks));
      }
    }
  }

  /** Those that come next and enter their cgroups in the same way. */
  #nextSandboxes(): Fork[] {
    const kind = kindOf(this.#queue[0]);
    const end = this.#queue.findIndex((request) => 'zygote' in request || kindOf(request) !== kind);
    const count = Math.min(MAX_FORKS, end < 0 ? this.#queue.length : end);
    return this.#queue.splice(0, count).flatMap((request) => ('sandbox' in request ? [request.sandbox] : []));
  }

  #send(forks: readonly (Fork | ZygoteFork)[], encode: (how: EntryKind) => Buffer): void {
    const entry = forks[0]?.entry ?? null;
    const how = entry === null ? NO_CGROUP : { kind: entry.kind, count: entry.fds.length };
    const fds = forks.flatMap((fork) => [...fork.fds, ...(fork.entry?.fds ?? [])]);
    for (const { id } of forks) this.#sent.add(id);
    try {
      this.#sendMessage(encode(how), fds);
    } catch (error) {
      for (const { id } of forks) this.#notSent(id, error as Error);
    } finally {
      for (const fork of forks) discard(fork);
    }
  }

  /** The kernel did not take the request: too many descriptors are on their way, or no memory is left. */
  #notSent(id: number, error: Error): void {
    this.#listeners.get(id)?.failed('fork', error.message);
    this.exited(id, { code: 1, signal: null });
    this.#sent.delete(id);
    this.#heard();
  }

  #sendMessage(message: Buffer, fds: readonly number[]): void {
    this.#silence.owed();
    this.#deliver(message, fds);
  }

  #deliver(message: Buffer, fds: readonly number[]): void {
    try {
      sendWithFds(this.#control, message, fds);
    } catch (error) {
      // It has died, and we are about to be told: `close` will tell the listeners.
      if (!isReceiverGone(error)) throw error;
    }
  }

  /** A pidfd comes on the control socket before the event that tells of it. */
  #takePidfds(): void {
    while (!this.#isClosed) {
      const received = receiveWithFds(this.#control);
      const [pidfd, ...others] = received?.fds ?? [];
      for (const fd of others) closeSync(fd);
      if (received === null || received.message.length === 0) return;
      const [id = 0, pid = 0] = received.message.toString().split(' ').map(Number);
      const listener = this.#listeners.get(id);
      this.#sent.delete(id);
      // The kernel drops it where we have no room for it: the process ends as soon as it sees that nobody will start it.
      if (pidfd === undefined) {
        if (listener !== undefined) this.#forked.set(id, { id, pid, pidfd: null });
        listener?.lost?.('no descriptor is left for it');
      } else if (listener === undefined || !this.#inspect(id, pidfd, pid)) closeSync(pidfd);
      else {
        this.#forked.set(id, { id, pid, pidfd });
        listener.forked(pidfd);
      }
    }
  }
}

function forkOf(request: Request): Fork | ZygoteFork {
  return 'zygote' in request ? request.zygote : request.sandbox;
}

function kindOf(request: Request | undefined): EntryKind['kind'] {
  return (request && forkOf(request).entry?.kind) ?? 'none';
}

function discard({ fds, entry }: Fork | ZygoteFork): void {
  for (const fd of fds) closeSync(fd);
  entry?.[Symbol.dispose]();
}
