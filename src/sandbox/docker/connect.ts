import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { isOlError } from '../../errors.ts';
import { connectUnix } from '../../linux/sockets.ts';
import { openDirectory, type ScratchDir, SOCKET } from '../scratch/scratch-dir.ts';

const { O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants;
/** A descriptor that names a file and does nothing else with it. */
const O_PATH = 0o10000000;
const LOOK_EVERY_MS = 2;
const MAX_SAID_BYTES = 2000;

/**
 * The worker's connection to `server_pipe`, as soon as the socket is there; null when `isOver` says so first. Only our own code runs in
 * the container until somebody has connected. The image may be anybody's, though, so no link is followed all the same.
 */
export async function connectPipe(dir: ScratchDir, isOver: () => boolean): Promise<number | null> {
  using here = openDirectory(dir.path);
  while (!isOver()) {
    const connection = tryConnecting(`/proc/self/fd/${here.fd}/${SOCKET}`);
    if (connection !== null) return connection;
    await sleep(LOOK_EVERY_MS);
  }
  return null;
}

function tryConnecting(path: string): number | null {
  const socket = openIfThere(path, O_PATH);
  if (socket === null) return null;
  try {
    return connectUnix(`/proc/self/fd/${socket}`);
  } catch (error) {
    // It is bound, and does not listen yet.
    if (isOlError(error, 'ERR_SYSCALL') && error.fields.errno === 'ECONNREFUSED') return null;
    throw error;
  } finally {
    closeSync(socket);
  }
}

/** The beginning of what was printed to one of the output files of a container that has ended. Follows no link. */
export function readOutput(dir: ScratchDir, name: 'stdout' | 'stderr'): string {
  using here = openDirectory(dir.path);
  const file = openIfThere(`/proc/self/fd/${here.fd}/${name}`, O_RDONLY | O_NONBLOCK);
  if (file === null) return '';
  try {
    if (!fstatSync(file).isFile()) return '';
    const buffer = Buffer.alloc(MAX_SAID_BYTES);
    return buffer.toString('utf8', 0, readSync(file, buffer)).trim();
  } finally {
    closeSync(file);
  }
}

function openIfThere(path: string, flags: number): number | null {
  try {
    return openSync(path, flags | O_NOFOLLOW);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}
