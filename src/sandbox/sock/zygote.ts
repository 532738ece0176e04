import type { CgroupEntry } from '../../cgroup/cgroup.ts';
import type { Children } from './children.ts';
import type { ForkRequest, ZygoteRequest } from './control.ts';
import type { Linking } from './linking.ts';
import type { UidRange } from './uid-range.ts';

/** What happens to a process that was forked, as its zygote tells it. Each is called at most once. */
export interface ProcessListener {
  forked(pidfd: number): void;
  /** It was forked, but nobody can end it: it is not to be used. */
  lost?(why: string): void;
  /** A sandbox: all that can be done ahead of time is done. */
  waiting?(): void;
  /** A sandbox of a zygote that `linksLater`: it has a link to the router. */
  linked?(): void;
  /** A sandbox, only when timing is on: see the event. */
  started?(times: readonly [number, number, number]): void;
  failed(step: string, error: string): void;
  /** Always the last. */
  exited(code: number | null, signal: number | null): void;
}

interface ToSend {
  /** See the protocol. Closed when they are sent. */
  readonly fds: readonly [number, number, number];
  /** How it gets into its cgroup; disposed of when it is sent. All sandboxes of a zygote have the same kind, or none. */
  readonly entry: CgroupEntry | null;
}

/** A sandbox that is asked for; with it go its end of its control socket, its scratch and its listener. */
export interface Fork extends ForkRequest, ToSend {}

/** A package zygote; with it go its ends of its control socket and of its event stream, and its home. */
export interface ZygoteFork extends ZygoteRequest, ToSend {}

/** What a root zygote is to those that descend from it. */
export interface Root {
  readonly isGone: boolean;
  /** Has `end` called when it has ended; returns what takes that back. */
  uponEnd(end: (how: string) => void): () => void;
}

/** A process that sandboxes, and further zygotes, are forked from. */
export interface Zygote {
  /** Resolves with how it ended. Never rejects. */
  readonly gone: Promise<string>;
  /** The root zygote that it descends from. */
  readonly root: Root;
  /** The host uids of what is forked from it. */
  readonly uids: UidRange;
  /** How a sandbox of it enters its cgroup; null where that is as the cgroup driver likes it best. */
  readonly entryKind: 'write-self' | null;
  /** What zygotes other than the root one have forked: it is the root one that tells of their ends, or PID 1. */
  readonly children: Children;
  /** Who links the sandboxes of package zygotes to the router; null where there is none. */
  readonly linking: Linking | null;
  /** A sandbox of it has no link yet when it waits: the listener is told when it has. */
  readonly linksLater: boolean;

  /**
   * Asks for a sandbox; what is sent with the request is closed here. Where the zygote is gone, or goes before it has
   * forked, the listener is told of an exit.
   */
  fork(fork: Fork, listener: ProcessListener): void;
  /** The same for a package zygote. */
  forkZygote(fork: ZygoteFork, listener: ProcessListener): void;
}
