import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { onTestFinished } from 'vitest';
import { checkBundle } from '../../../../src/registry/bundle/check.ts';
import { unpackBundle } from '../../../../src/registry/bundle/unpack.ts';
import type { CodeLimits } from '../../../../src/registry/limits.ts';

const CANARY = 'not to be changed';

/** A directory with an empty one inside, `into`, and a canary beside that. */
export async function setUp() {
  const root = await mkdtemp(join(tmpdir(), 'ol-bundle-'));
  onTestFinished(() => rm(root, { recursive: true }));
  const into = join(root, 'into');
  const canary = join(root, 'canary');
  await mkdir(into);
  await writeFile(canary, CANARY);

  const unpack = async (bytes: Buffer, limits: Partial<CodeLimits> = {}) =>
    (await unpackBundle(Readable.from(chunksOf(bytes)), { into, name: 'f', limits })).version;
  const check = async (bytes: Buffer, limits: Partial<CodeLimits> = {}) => {
    const file = join(root, 'bundle.tar.gz');
    await writeFile(file, bytes);
    try {
      return await checkBundle(file, { name: 'f', limits });
    } finally {
      await rm(file);
    }
  };
  /** What is wrong, after a look that nothing was written anywhere. */
  const untouched = async () => {
    const names = (await readdir(root)).sort();
    return { names, into: await readdir(into), canary: await readFile(canary, 'utf8') };
  };
  return { root, into, canary, unpack, check, untouched };
}

export const UNTOUCHED = { names: ['canary', 'into'], into: [], canary: CANARY };

/** Pieces of a size that falls on no border of the format. */
function* chunksOf(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += 1009) yield bytes.subarray(at, at + 1009);
}
