import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { OlError } from '../../errors.ts';
import { handlePath, openFile } from '../files.ts';
import { Interrupted } from '../interrupted.ts';
import { CODE_LIMITS } from '../limits.ts';
import { type Entry, type FileEntry, stampOf, survey } from '../survey.ts';
import { BLOCK, encodeHeader, fitsHeader, paddingOf } from './header.ts';
import { encodePax } from './pax.ts';
import type { BundleOptions } from './read-bundle.ts';

const CHUNK_BYTES = 256 * 1024;
const TYPES = { file: '0', link: '2', directory: '5' } as const;

/**
 * Packs a function's directory into a new file `to`, a .tar.gz: what the local registry would copy, and the same bytes for
 * the same content, whenever and by whomever it is packed.
 *
 * Throws ERR_CODE_REFUSED as the local registry does, ERR_CODE_BUSY where it changes meanwhile, or what the file
 * system throws (EEXIST where `to` is there). A file that was begun is left to the caller.
 */
export async function packDirectory(dir: string, to: string, options: BundleOptions): Promise<void> {
  const { name, limits } = options;
  const root = await open(dir, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    const look = () => survey(root, { name, limits: { ...CODE_LIMITS, ...limits } });
    const before = await look();
    const file = await open(to, 'wx', 0o600);
    await pipeline(archive(root, before.entries, name), createGzip(), file.createWriteStream());
    if ((await look()).digest !== before.digest) throw new Interrupted('changed', dir);
  } catch (error) {
    if (!(error instanceof Interrupted)) throw error;
    throw new OlError('ERR_CODE_BUSY', { name, path: error.path }, { cause: error });
  } finally {
    await root.close();
  }
}

async function* archive(root: FileHandle, entries: readonly Entry[], name: string): AsyncGenerator<Buffer> {
  for (const entry of entries) {
    yield* headersOf(entry);
    if (entry.kind === 'file') yield* content(root, entry, name);
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

/** The file that was surveyed, all of it. Throws Interrupted where it is another one by now, or shorter. */
async function* content(root: FileHandle, entry: FileEntry, name: string): AsyncGenerator<Buffer> {
  const file = await openFile(`${handlePath(root)}/${entry.path}`, { name, path: entry.path });
  try {
    if (stampOf(await file.stat({ bigint: true })) !== entry.stamp)
      throw new Interrupted('changed', entry.path);
    for (let at = 0; at < entry.size; ) {
      const buffer = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, entry.size - at));
      const { bytesRead } = await file.read(buffer, 0, buffer.length, at);
      if (bytesRead === 0) throw new Interrupted('changed', entry.path);
      at += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await file.close();
  }
  yield Buffer.alloc(paddingOf(entry.size));
}
