import { open } from 'node:fs/promises';
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

async function acquire(fd: number, dir: string, waitMs: number): Promise<void> {
  const end = performance.now() + waitMs;
  for (;;) {
    const result = Number(flock(fd, LOCK_EX_NB));
    if (result === 0) return;
    const errno = errnoName();
    if (errno !== 'EAGAIN' && errno !== 'EWOULDBLOCK') check(result, 'flock', dir);
    if (performance.now() >= end) throw new OlError('ERR_LOCKED', { path: dir, waitedMs: waitMs });
    await sleep(20);
  }
}
