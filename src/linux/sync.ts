import { closeSync, openSync } from 'node:fs';
import { OlError } from '../errors.ts';
import { libc } from './libc.ts';

const syncfs = libc('int syncfs(int)') as unknown as {
  async(fd: number, done: (error: unknown, result: number) => void): void;
};

/** Waits until all that was written to the file system of `path` is on the disk; others go on meanwhile. */
export async function syncFileSystemOf(path: string): Promise<void> {
  const fd = openSync(path, 'r');
  try {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    syncfs.async(fd, (error, result) => (error ? reject(error) : resolve(result)));
    if ((await promise) < 0) throw new OlError('ERR_SYSCALL', { call: 'syncfs', errno: 'EIO', target: path });
  } finally {
    closeSync(fd);
  }
}
