import { signalPidfd } from '../../linux/pidfd.ts';
import { type LinkRequest, linkRequest } from './control.ts';

const SIGKILL = 9;

/** More at a time would fill the socket's buffer; the rest wait here. */
const MAX_IN_FLIGHT = 64;

/** A process that a package zygote has forked. The pidfd stays the caller's, and open until `linked` is called. */
export interface Link extends LinkRequest {
  readonly pidfd: number;
  /** Called once, with what went wrong or null; not at all where it is killed. */
  readonly linked: (failure: string | null) => void;
}

/** Links what package zygotes have forked to the router, which they have no power over: the root zygote does. */
export class Linking {
  readonly #send: (message: Buffer, fds: readonly number[]) => void;
  readonly #queue: Link[] = [];
  readonly #sent = new Map<number, Link>();
  readonly #kill: (pidfd: number) => void;
  #isOver = false;

  constructor(
    send: (message: Buffer, fds: readonly number[]) => void,
    kill: (pidfd: number) => void = (pidfd) => signalPidfd(pidfd, SIGKILL),
  ) {
    this.#send = send;
    this.#kill = kill;
  }

  ask(link: Link): void {
    if (this.#isOver) return this.#kill(link.pidfd);
    this.#queue.push(link);
    this.#pump();
  }

  /** It is not wanted any more: its process has ended. */
  forget(id: number): void {
    const at = this.#queue.findIndex((link) => link.id === id);
    if (at >= 0) this.#queue.splice(at, 1);
  }

  /** False where that is nobody's link. */
  settle(id: number, failure: string | null): boolean {
    const link = this.#sent.get(id);
    if (link === undefined) return false;
    this.#sent.delete(id);
    link.linked(failure);
    this.#pump();
    return true;
  }

  /** The root zygote has died: who waits for a link gets none any more, and is killed, as it has begun nothing yet. */
  end(): void {
    this.#isOver = true;
    for (const { pidfd } of [...this.#sent.values(), ...this.#queue.splice(0)]) this.#kill(pidfd);
    this.#sent.clear();
  }

  #pump(): void {
    while (this.#sent.size < MAX_IN_FLIGHT) {
      const link = this.#queue.shift();
      if (link === undefined) return;
      this.#sent.set(link.id, link);
      try {
        this.#send(linkRequest(link), [link.pidfd]);
      } catch (error) {
        // Too many descriptors are on their way, or no memory is left.
        this.#sent.delete(link.id);
        queueMicrotask(() => link.linked((error as Error).message));
      }
    }
  }
}
