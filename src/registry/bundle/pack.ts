import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { OlError } from '../../errors.ts';
import { Interrupted } from '../interrupted.ts';
import { CODE_LIMITS } from '../limits.ts';
import { type Entry, survey } from '../survey.ts';
import { readSurveyed } from '../surveyed-file.ts';
import { BLOCK, encodeHeader, fitsHeader, paddingOf } from './header.ts';
import { encodePax } from './pax.ts';
import type { BundleOptions } from './read-bundle.ts';

const TYPES = { file: '0', link: '2', directory: '5' } as const;

/**
 * Packs a function's directory into a new file `to`, or an open one that stays open: a .tar.gz of what the local registry would
 * copy, and the same bytes for the same content, whenever and by whomever it is packed.
 *
 * Throws ERR_CODE_REFUSED as the local registry does, ERR_CODE_BUSY where it changes meanwhile, or what the file
 * system throws (EEXIST where `to` is there). A file that was begun is left to the caller.
 */
export async function packDirectory(
  dir: string,
  to: string | FileHandle,
  options: BundleOptions,
): Promise<void> {
  const { name, limits } = options;
  const root = await open(dir, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    const look = () => survey(root, { name, limits: { ...CODE_LIMITS, ...limits } });
    const before = await look();
    await inFile(to, (file) =>
      pipeline(archive(root, before.entries, name), createGzip(), (chunks) => write(file, chunks)),
    );
    if ((await look()).digest !== before.digest) throw new Interrupted('changed', dir);
  } catch (error) {
    if (!(error instanceof Interrupted)) throw error;
    throw new OlError('ERR_CODE_BUSY', { name, path: error.path }, { cause: error });
  } finally {
    await root.close();
  }
}

async function inFile(to: string | FileHandle, work: (file: FileHandle) => Promise<void>): Promise<void> {
  if (typeof to !== 'string') return await work(to);
  await using file = await open(to, 'wx', 0o600);
  await work(file);
}

/** Not by a stream: one that does not close the file keeps others from closing it. */
async function write(file: FileHandle, chunks: AsyncIterable<Buffer>): Promise<void> {
  for await (const chunk of chunks) await file.writeFile(chunk);
}

async function* archive(root: FileHandle, entries: readonly Entry[], name: string): AsyncGenerator<Buffer> {
  for (const entry of entries) {
    yield* headersOf(entry);
    if (entry.kind !== 'file') continue;
    yield* readSurveyed(root, entry, name);
    yield Buffer.alloc(paddingOf(entry.size));
  }
  yield Buffer.alloc(2 * BLOCK);
}

function* headersOf(entry: Entry): Generator<Buffer> {
  const isFile = entry.kind === 'file';
  const target = entry.kind === 'link' ? entry.target : '';
  const name = entry.kind === 'directory' ? `${entry.path}/` : entry.path;
  const records = [pax('path', name), pax('linkpath', target)].filter((record) => record !== null);
  if (records.length > 0) yield withPadding(records);
  yield encodeHeader({
    name: fitsHeader(name) ? name : 'name',
    type: TYPES[entry.kind],
    mode: isFile && !entry.executable ? 0o644 : 0o755,
    size: isFile ? entry.size : 0,
    target: fitsHeader(target) ? target : 'target',
  });
}

function pax(key: string, value: string): Buffer | null {
  return fitsHeader(value) ? null : encodePax(key, value);
}

function withPadding(records: readonly Buffer[]): Buffer {
  const content = Buffer.concat(records);
  const header = encodeHeader({ name: 'pax', type: 'x', mode: 0o644, size: content.length, target: '' });
  return Buffer.concat([header, content, Buffer.alloc(paddingOf(content.length))]);
}
