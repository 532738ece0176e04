import { closeSync } from 'node:fs';
import { connectUnix, listenUnix } from '../../linux/sockets.ts';
import { openDirectory, type ScratchDir, SOCKET } from '../scratch/scratch-dir.ts';

/** The worker's connection, and a person's who looks into the sandbox. */
const BACKLOG = 8;

/**
 * The scratch space of one sandbox: a directory that was made or made like new for it, with `server_pipe` in it. The
 * sandbox may replace what is in there as soon as it runs, so the worker connects before, and opens nothing by name while
 * it lives.
 */
export class Scratch {
  readonly dir: ScratchDir;
  /** The listening socket, and the worker's own connection to it. Whoever takes one closes it. */
  readonly listener: number;
  readonly connection: number;

  constructor(dir: ScratchDir) {
    using undo = new DisposableStack();
    this.dir = dir;
    // Unix socket paths end at 107 bytes, cluster directories do not: the way leads over a descriptor.
    using here = openDirectory(dir.path);
    const path = `/proc/self/fd/${here.fd}/${SOCKET}`;
    this.listener = listenUnix(path, BACKLOG);
    undo.defer(() => closeSync(this.listener));
    this.connection = connectUnix(path);
    undo.move();
  }
}
