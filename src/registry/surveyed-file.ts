import type { FileHandle } from 'node:fs/promises';
import { handlePath, openFile } from './files.ts';
import { Interrupted } from './interrupted.ts';
import { type FileEntry, stampOf } from './survey.ts';

const CHUNK_BYTES = 256 * 1024;

/** The content of a file that was surveyed, all of it. Throws Interrupted where it is another one by now, or shorter. */
export async function* readSurveyed(
  root: FileHandle,
  entry: FileEntry,
  name: string,
): AsyncGenerator<Buffer> {
  const file = await openFile(`${handlePath(root)}/${entry.path}`, { name, path: entry.path });
  try {
    if (stampOf(await file.stat({ bigint: true })) !== entry.stamp) throw changed(entry);
    for (let at = 0; at < entry.size; ) {
      const buffer = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, entry.size - at));
      const { bytesRead } = await file.read(buffer, 0, buffer.length, at);
      if (bytesRead === 0) throw changed(entry);
      at += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await file.close();
  }
}

function changed({ path }: FileEntry): Interrupted {
  return new Interrupted('changed', path);
}
