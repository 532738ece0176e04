import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { hasHandlerFile } from '../handler-file.ts';
import { CODE_LIMITS } from '../limits.ts';
import { survey } from '../survey.ts';
import { readSurveyed } from '../surveyed-file.ts';
import { versionOf } from '../version.ts';

export interface Digest {
  readonly version: string;
  readonly bytes: number;
  readonly changedMs: number;
}

/**
 * What a local registry has in a function's directory; null where that has no `lambda_func.py`. Throws ERR_CODE_REFUSED,
 * or Interrupted where it changes meanwhile.
 */
export async function digestOf(dir: string, name: string): Promise<Digest | null> {
  const root = await open(dir, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    const { entries, newestMs } = await survey(root, { name, limits: CODE_LIMITS });
    if (!hasHandlerFile(entries)) return null;
    const hashes = new Map<string, string>();
    let bytes = 0;
    for (const entry of entries) {
      if (entry.kind !== 'file') continue;
      hashes.set(entry.path, await hashOf(root, entry, name));
      bytes += entry.size;
    }
    return { version: versionOf(entries, hashes), bytes, changedMs: newestMs };
  } finally {
    await root.close();
  }
}

async function hashOf(root: FileHandle, entry: Parameters<typeof readSurveyed>[1], name: string) {
  const hash = createHash('sha256');
  for await (const chunk of readSurveyed(root, entry, name)) hash.update(chunk);
  return hash.digest('hex');
}
