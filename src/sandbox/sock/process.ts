import { closeSync } from 'node:fs';
import type { Cgroup, CgroupHits } from '../../cgroup/cgroup.ts';
import { duplicate } from '../../linux/descriptors.ts';
import { isOutOfDescriptors } from '../../linux/out-of-descriptors.ts';
import { isEnded, pidOf, signalPidfd } from '../../linux/pidfd.ts';
import { scheduleSandbox } from '../../linux/scheduling.ts';
import { isReceiverGone, sendWithFds, seqpacketPair } from '../../linux/sockets.ts';
import type { MemoryBound } from '../sandbox.ts';
import { type SandboxTask, startRequest } from './control.ts';
import type { Zygote } from './zygote.ts';

const SIGKILL = 9;
const NO_HITS: CgroupHits = { oomKills: 0, memoryRefused: 0, pidsRefused: 0 };

/** How a process ended, from its parent. */
export interface ProcessEnd {
  readonly code: number | null;
  readonly signal: number | null;
  /** The bound for which the kernel ended a process in it; null where it ended none. */
  readonly outOfMemory: MemoryBound | null;
  /** Forks and threads beyond the bound; 0 where we ended it. */
  readonly pidsRefused: number;
  /** The step in which our own code in it failed, and how; null where it got as far as user code. */
  readonly failure: string | null;
}

/** When it woke, had all attached, and had dropped everything: CLOCK_MONOTONIC, ns. */
export type StartTimes = readonly [number, number, number];

export interface ProcessOptions {
  readonly id: number;
  readonly uid: number;
  readonly cgroup: Cgroup | null;
  /** A detached mount, and the listening socket in it; both are closed when they are sent. */
  readonly scratch: number;
  readonly listener: number;
}

/**
 * A sandbox's first process, from the fork on: first a spare that waits for its start request, then a sandbox. It is
 * PID 1 of its namespace, so the kernel kills everything in the sandbox when it ends.
 */
export class SandboxProcess {
  readonly uid: number;
  /** What bounds it, and all that it starts; null where nothing does. */
  readonly cgroup: Cgroup | null;
  /** Resolves when it has been reaped. Never rejects. */
  readonly ended: Promise<ProcessEnd>;
  /** Resolves when it waits for its start request, or has ended. */
  readonly waiting: Promise<void>;
  #socket: number | null;
  #pidfd: number | null = null;
  #pid: number | null = null;
  #failure: string | null = null;
  #isStarted = false;
  #killed = false;
  #hasEnded = false;
  #isWaiting = false;
  /** It has the network that it is to have. */
  #isLinked: boolean;
  /** What it is to be told as soon as it has. */
  #held: { readonly request: Buffer; readonly code: number } | null = null;
  #onStarted: ((times: StartTimes) => void) | null = null;

  /** Asks the zygote for it. May be started at once: the request waits for the process. */
  constructor(zygote: Zygote, { id, uid, cgroup, scratch, listener }: ProcessOptions) {
    this.uid = uid;
    this.cgroup = cgroup;
    const ended = Promise.withResolvers<ProcessEnd>();
    const waiting = Promise.withResolvers<void>();
    this.ended = ended.promise;
    this.waiting = waiting.promise;
    this.#isLinked = !zygote.linksLater;
    const settle = () => {
      if (this.#isWaiting && this.#isLinked) waiting.resolve();
    };
    using undo = new DisposableStack();
    const entry = cgroup?.openEntry(zygote.entryKind ?? undefined) ?? null;
    undo.defer(() => entry?.[Symbol.dispose]());
    const [ours, theirs] = seqpacketPair();
    undo.move();
    this.#socket = ours;
    zygote.fork(
      {
        id,
        uid,
        fds: [theirs, scratch, listener],
        entry,
      },
      {
        forked: (pidfd) => this.#forked(pidfd),
        lost: (why) => {
          this.#failure ??= `pidfd: ${why}`;
          this.kill();
        },
        waiting: () => {
          this.#isWaiting = true;
          settle();
        },
        linked: () => {
          this.#isLinked = true;
          this.#letGo();
          settle();
        },
        started: (times) => this.#onStarted?.(times),
        failed: (step, error) => {
          this.#failure = `${step}: ${error}`;
          // It would else wait for what does not come.
          if (!this.#isLinked) this.kill();
        },
        exited: (code, signal) => {
          this.#hasEnded = true;
          this.#release();
          waiting.resolve();
          // Asked only where it matters: looking it up takes as long as a short call.
          const hits = this.#killed || cgroup === null ? NO_HITS : hitsOf(cgroup);
          const { pidsRefused } = hits;
          ended.resolve({
            code,
            signal,
            outOfMemory: memoryBoundOf(hits),
            pidsRefused,
            failure: this.#failure,
          });
        },
      },
    );
  }

  /** True when all that can be done ahead of time is done. */
  get isWaiting(): boolean {
    return this.#isWaiting && this.#isLinked && this.#socket !== null;
  }

  /**
   * Hands it the code, a detached mount, to serve it now, with the packages of the lock of this id. False where it has ended;
   * `ended` tells how. `onStarted` is called when timing is on.
   */
  start(
    task: 'start' | 'install',
    code: number,
    lock: string | null = null,
    onStarted: ((times: StartTimes) => void) | null = null,
  ): boolean {
    this.#onStarted = onStarted;
    if (this.#socket === null) return false;
    this.#isStarted = true;
    if (this.#pid !== null) scheduleSandbox(this.#pid);
    return this.#handOver(task, code, lock);
  }

  /** As `start`, but it compiles the code, when nobody else wants to run. */
  compile(code: number): boolean {
    return this.#handOver('compile', code, null);
  }

  #handOver(task: SandboxTask, code: number, lock: string | null): boolean {
    if (this.#socket === null) return false;
    const request = startRequest(task, lock);
    if (this.#isLinked) return this.#send(this.#socket, request, code);
    this.#held = { request, code: duplicate(code) };
    return true;
  }

  /** What was held back until it had its network; where it has ended, `ended` tells. */
  #letGo(): void {
    if (this.#held !== null && this.#socket !== null)
      this.#send(this.#socket, this.#held.request, this.#held.code);
    this.#dropHeld();
  }

  #dropHeld(): void {
    if (this.#held !== null) closeSync(this.#held.code);
    this.#held = null;
  }

  #send(socket: number, request: Buffer, code: number): boolean {
    try {
      sendWithFds(socket, request, [code]);
    } catch (error) {
      if (isReceiverGone(error)) return false; // it has just ended
      throw error;
    }
    this.#closeSocket();
    return true;
  }

  /** Ends it at once; does nothing when it has ended. */
  kill(): void {
    if (this.#hasEnded) return; // its cgroup may be another's by now
    this.#killed = true;
    if (this.#pidfd !== null) signalPidfd(this.#pidfd, SIGKILL);
    else if (this.#isStarted) this.cgroup?.killAll();
    // With cgroup v1, what is paused does not die before it goes on.
    this.cgroup?.unpause();
    // One that still waits for its start request ends by itself.
    this.#dropHeld();
    this.#closeSocket();
  }

  pid(): number | null {
    return this.#pid;
  }

  /** True where it has ended, whether somebody has reaped it or not. */
  hasEnded(): boolean {
    return this.#hasEnded || (this.#pidfd !== null && isEnded(this.#pidfd));
  }

  #forked(pidfd: number): void {
    this.#pidfd = pidfd;
    try {
      this.#pid = pidOf(pidfd);
    } catch (error) {
      if (!isOutOfDescriptors(error)) throw error;
      // It would never be scheduled as it should, nor be looked at: better that the next one is.
      this.#failure ??= `pid: ${(error as Error).message}`;
      this.#killed = true;
    }
    if (this.#isStarted && this.#pid !== null) scheduleSandbox(this.#pid);
    if (this.#killed) signalPidfd(pidfd, SIGKILL);
  }

  #closeSocket(): void {
    if (this.#socket !== null) closeSync(this.#socket);
    this.#socket = null;
  }

  #release(): void {
    this.#dropHeld();
    this.#closeSocket();
    if (this.#pidfd !== null) closeSync(this.#pidfd);
    this.#pidfd = null;
    this.#pid = null;
  }
}

/** Where nobody can look, for want of descriptors, it is not known what it ended for; that it ended is. */
function hitsOf(cgroup: Cgroup): CgroupHits {
  try {
    return cgroup.hits();
  } catch (error) {
    if (!isOutOfDescriptors(error)) throw error;
    return NO_HITS;
  }
}

/** Where a sandbox was ended without having reached its own limit, all of them together had used up theirs. */
function memoryBoundOf({ oomKills, memoryRefused }: CgroupHits): MemoryBound | null {
  if (oomKills === 0) return null;
  return memoryRefused > 0 ? 'sandbox' : 'pool';
}
