import { chmodSync, chownSync, closeSync, constants, mkdirSync, openSync, renameSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { removeTree } from '../../linux/remove-tree.ts';
import { connectUnix, listenUnix } from '../../linux/sockets.ts';

const { O_NOFOLLOW, O_DIRECTORY, O_RDONLY } = constants;
/** The worker's connection, and a person's who looks into the sandbox. */
const BACKLOG = 8;

/**
 * A sandbox's scratch directory on the host, with `server_pipe` in it; `stdout` and `stderr` are made by the sandbox.
 * It may replace each of them as soon as it runs, so the worker connects before, and opens none by name afterwards.
 */
export class Scratch {
  /** The listening socket, and the worker's own connection to it. Whoever takes one closes it. */
  readonly listener: number;
  readonly connection: number;
  #dir: string;
  #removed: Promise<void> | null = null;

  /** Makes `dir`, which must not exist yet, for the sandbox whose user is `uid`. Leaves nothing when it fails. */
  constructor(dir: string, uid: number) {
    using undo = new DisposableStack();
    this.#dir = dir;
    mkdirSync(dir, { mode: 0o700 });
    undo.defer(() => rmSync(dir, { recursive: true }));
    const opened = (fd: number): number => {
      undo.defer(() => closeSync(fd));
      return fd;
    };
    // Unix socket paths end at 107 bytes, cluster directories do not: the way leads over a descriptor.
    const dirFd = openSync(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    using _dirFd = { [Symbol.dispose]: () => closeSync(dirFd) };
    const path = `/proc/self/fd/${dirFd}/server_pipe`;
    this.listener = opened(listenUnix(path, BACKLOG));
    this.connection = opened(connectUnix(path));
    chownSync(dir, uid, uid);
    chmodSync(dir, 0o700);
    undo.move();
  }

  get dir(): string {
    return this.#dir;
  }

  /** Gives it its final name; the sandbox, which has it mounted, does not notice. Makes the directory around it. */
  moveTo(dir: string): void {
    try {
      renameSync(this.#dir, dir);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      mkdirSync(dirname(dir), { recursive: true, mode: 0o755 });
      renameSync(this.#dir, dir);
    }
    this.#dir = dir;
  }

  /** Removes it when no process uses it any more; follows no link. Idempotent. */
  remove(): Promise<void> {
    this.#removed ??= removeTree(this.#dir);
    return this.#removed;
  }
}
