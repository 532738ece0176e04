import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { CODE_LIMITS, type CodeLimits } from '../limits.ts';
import { versionOf } from '../version.ts';
import { Contents } from './contents.ts';
import { gunzip } from './gunzip.ts';
import { orRefused } from './refused.ts';
import { readTar } from './tar-reader.ts';

/** The path of a .tar.gz, or its bytes as they come. */
export type BundleSource = string | AsyncIterable<Uint8Array>;

export interface BundleOptions {
  /** The function's, for messages. */
  readonly name: string;
  readonly limits?: Partial<CodeLimits>;
}

/** What is done with the content, in the order of the archive but for links: they come when all else is there. */
export interface Sink {
  directory(path: string): Promise<void>;
  /** Has to read all of `body`. */
  file(path: string, executable: boolean, body: AsyncIterable<Buffer>): Promise<void>;
  /** A second file with the content of one that is there already. */
  copy(from: string, path: string, executable: boolean): Promise<void>;
  link(path: string, target: string): Promise<void>;
}

export interface BundleRead {
  /** As the local registry computes it for the same files. */
  readonly version: string;
  readonly contents: Contents;
}

/** Headers, names and filling for each entry, beside the content. */
const OVERHEAD_BYTES = 4096;

/**
 * Reads a bundle to its end and hands what is in it to `sink`; checks everything on the way, before the sink has it.
 * Throws ERR_BUNDLE_REFUSED, or what the source or the sink throw; the source is ended then.
 */
export async function readBundle(
  source: BundleSource,
  options: BundleOptions,
  sink: Sink,
): Promise<BundleRead> {
  const limits = { ...CODE_LIMITS, ...options.limits };
  const bytes = typeof source === 'string' ? createReadStream(source) : source;
  return await orRefused(options.name, () => pour(bytes, limits, sink));
}

async function pour(source: AsyncIterable<Uint8Array>, limits: CodeLimits, sink: Sink): Promise<BundleRead> {
  const contents = new Contents(limits);
  const hashes = new Map<string, string>();
  const maxBytes = limits.maxBytes + limits.maxFiles * OVERHEAD_BYTES;
  for await (const entry of readTar(gunzip(source, maxBytes))) {
    const { directories, item, from } = contents.admit(entry);
    for (const path of directories) await sink.directory(path);
    if (item?.kind === 'directory') await sink.directory(item.path);
    if (item?.kind !== 'file') continue;
    if (from === null) {
      const hash = createHash('sha256');
      await sink.file(item.path, item.executable, hashed(entry.body, hash));
      hashes.set(item.path, hash.digest('hex'));
    } else {
      await sink.copy(from, item.path, item.executable);
      hashes.set(item.path, hashes.get(from) ?? '');
    }
  }
  const items = contents.finish();
  for (const item of items) if (item.kind === 'link') await sink.link(item.path, item.target);
  return { version: versionOf(items, hashes), contents };
}

async function* hashed(body: AsyncIterable<Buffer>, hash: Hash): AsyncGenerator<Buffer> {
  for await (const chunk of body) {
    hash.update(chunk);
    yield chunk;
  }
}
