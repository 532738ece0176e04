import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { OlError } from '../errors.ts';
import { Interrupted } from './interrupted.ts';

/** The path of an open file by its descriptor: it means the same file whatever happens to the names on the way. */
export function handlePath(handle: FileHandle): string {
  return `/proc/self/fd/${handle.fd}`;
}

/** Never through a link at the end, never waiting for the other end of a FIFO. */
const SAFE = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK | constants.O_NOCTTY;

/** What became of a name that was there a moment ago: gone, or something else. */
const GONE = new Set(['ENOENT', 'ENOTDIR', 'ELOOP', 'ENXIO', 'ESTALE', 'EINVAL']);

/** What is being read, for messages: the function, and a path inside it. */
export interface Place {
  readonly name: string;
  readonly path: string;
}

/** Opens a directory inside a function's. Throws Interrupted where it is no directory any more. */
export function openDirectory(path: string, place: Place): Promise<FileHandle> {
  return orInterrupted(open(path, SAFE | constants.O_DIRECTORY), place);
}

/** Opens a file inside a function's directory. What it is has to be looked at again: it may be another one by now. */
export function openFile(path: string, place: Place): Promise<FileHandle> {
  return orInterrupted(open(path, SAFE), place);
}

/** The errno's name of a failed call of node:fs, else null. */
export function errnoOf(error: unknown): string | null {
  const code = error instanceof Error && 'code' in error ? error.code : null;
  return typeof code === 'string' ? code : null;
}

/**
 * Waits for a call on a name that a listing gave. A name that is gone means that the code changes just now; one that may
 * not be read is ERR_CODE_REFUSED; all else is thrown as it is.
 */
export async function orInterrupted<T>(call: Promise<T>, place: Place): Promise<T> {
  try {
    return await call;
  } catch (cause) {
    const errno = errnoOf(cause) ?? '';
    if (GONE.has(errno)) throw new Interrupted('changed', place.path, 0, { cause });
    // EAGAIN of open(2): somebody else's lease is being broken, the file is about to be written.
    if (errno === 'EAGAIN') throw new Interrupted('writer', place.path, 0, { cause });
    if (errno !== 'EACCES' && errno !== 'EPERM') throw cause;
    const reason = `cannot be read by the worker (${errno}): give it the permission`;
    throw new OlError('ERR_CODE_REFUSED', { ...place, reason }, { cause });
  }
}

/**
 * Does `work` for every item, at most `width` at a time, and returns when none is under way: after the first failure no
 * other is begun, and that failure is thrown.
 */
export async function eachOf<T>(items: Iterable<T>, width: number, work: (item: T) => Promise<void>) {
  const left = items[Symbol.iterator]();
  let failed = false;
  const worker = async () => {
    for (let next = left.next(); !next.done && !failed; next = left.next()) await work(next.value);
  };
  const guarded = async () => {
    try {
      await worker();
    } catch (error) {
      failed = true;
      throw error;
    }
  };
  const ends = await Promise.allSettled(Array.from({ length: width }, guarded));
  for (const end of ends) if (end.status === 'rejected') throw end.reason;
}
