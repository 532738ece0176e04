import { type FileHandle, open } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { OlError } from '../errors.ts';
import { check, errnoName, libc } from './libc.ts';

const flock = libc('int flock(int fd, int operation)');
const LOCK_EX_NB = 2 | 4;

/**
 * Runs `work` while holding an exclusive lock on a directory, which the kernel gives back when the process ends, however
 * it ends. Waits for another holder at most `waitMs`, then throws ERR_LOCKED.
 */
export async function withDirLock<T>(dir: string, waitMs: number, work: () => Promise<T>): Promise<T> {
  await using _ = await lockDir(dir, waitMs);
  return await work();
}

/** As `withDirLock`, until what it returns is disposed of. */
export async function lockDir(dir: string, waitMs: number): Promise<AsyncDisposable> {
  const handle = await open(dir, 'r');
  try {
    await acquire(handle.fd, dir, waitMs);
    // Closing the only descriptor of this open file gives the lock back.
    return { [Symbol.asyncDispose]: () => handle.close() };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** Takes such a lock, which is held until the handle is closed; null where somebody else has it. */
export async function tryDirLock(dir: string): Promise<FileHandle | null> {
  const handle = await open(dir, 'r');
  try {
    if (tryLock(handle.fd, dir)) return handle;
  } catch (error) {
    await handle.close();
    throw error;
  }
  await handle.close();
  return null;
}

function tryLock(fd: number, dir: string): boolean {
  const result = Number(flock(fd, LOCK_EX_NB));
  if (result === 0) return true;
  const errno = errnoName();
  if (errno !== 'EAGAIN' && errno !== 'EWOULDBLOCK') check(result, 'flock', dir);
  return false;
}

async function acquire(fd: number, dir: string, waitMs: number): Promise<void> {
  const end = performance.now() + waitMs;
  while (!tryLock(fd, dir)) {
    if (performance.now() >= end) throw new OlError('ERR_LOCKED', { path: dir, waitedMs: waitMs });
    await sleep(20);
  }
}
