import { open } from 'node:fs/promises';

/** Nobody reads more than this of a log in an error. */
const MOST_BYTES = 16 * 1024;

/** The last lines of a file, of what was written from byte `start` on. */
export async function readTail(path: string, start: number, lines: number): Promise<string> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    const from = Math.max(start, size - MOST_BYTES);
    const { buffer, bytesRead } = await file.read({
      position: from,
      buffer: Buffer.alloc(Math.max(0, size - from)),
    });
    return buffer.toString('utf8', 0, bytesRead).trimEnd().split('\n').slice(-lines).join('\n');
  } finally {
    await file.close();
  }
}
