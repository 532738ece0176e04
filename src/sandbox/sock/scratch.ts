import { chmodSync, chownSync, closeSync, constants, mkdirSync, openSync, rmdirSync, rmSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { connectUnix, listenUnix } from '../../linux/sockets.ts';

const { O_NOFOLLOW, O_DIRECTORY, O_RDONLY } = constants;
/** The worker's connection, and a person's who looks into the sandbox. */
const BACKLOG = 8;

/**
 * A sandbox's scratch directory on the host, with `server_pipe` in it; `stdout` and `stderr` are made by the sandbox.
 * It may replace each of them as soon as it runs, so the worker connects before, and opens none by name afterwards.
 */
export interface Scratch {
  readonly dir: string;
  readonly listener: number;
  /** The worker's own connection to `listener`. */
  readonly connection: number;
}

/** Makes `dir`, which must not exist yet, for the sandbox whose user is `uid`. Leaves nothing when it fails. */
export function makeScratch(dir: string, uid: number): Scratch {
  using undo = new DisposableStack();
  mkdirSync(dirname(dir), { recursive: true, mode: 0o755 });
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
  const listener = opened(listenUnix(path, BACKLOG));
  const connection = opened(connectUnix(path));
  chownSync(dir, uid, uid);
  chmodSync(dir, 0o700);
  undo.move();
  return { dir, listener, connection };
}

/** Removes a scratch directory that no process uses any more, and its parent when it was the last there. */
export async function removeScratch(dir: string): Promise<void> {
  // Nobody is left who could swap a directory for a link while this walks; links themselves are not followed.
  await rm(dir, { recursive: true, force: true });
  try {
    rmdirSync(dirname(dir));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOTEMPTY' && code !== 'ENOENT') throw error;
  }
}
