import { lstatSync, mkdirSync, realpathSync, renameSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { z } from 'zod';

const LINE_END = 0x0a;
const index = z.array(z.tuple([z.string(), z.int().min(1)])).max(1000);

/** A compiled file, and the path of its source in the function's directory. */
export interface CompiledFile {
  readonly source: string;
  readonly content: Buffer;
}

/** Reads what `runtime/python/compiler.py` answers. Throws where it is not of that form: a sandbox has written it. */
export function parseCompiled(body: Buffer): CompiledFile[] {
  const end = body.indexOf(LINE_END);
  const sizes = index.parse(JSON.parse(body.toString('utf8', 0, Math.max(0, end))));
  let at = end + 1;
  const files = sizes.map(([source, size]) => {
    at += size;
    return { source, content: body.subarray(at - size, at) };
  });
  if (at !== body.length) throw new RangeError(`${body.length} bytes of compiled files, not ${at}`);
  return files;
}

/**
 * Puts compiled files where Python looks for them, beside their sources; `cacheTag` is the interpreter's (`cpython-311`).
 * Only for sources that are there, and never through a link. Does no more when the directory is removed meanwhile.
 */
export function storeCompiled(codeDir: string, cacheTag: string, files: readonly CompiledFile[]): void {
  try {
    const top = realpathSync(codeDir);
    for (const file of files) if (isSource(top, file.source)) storeOne(top, cacheTag, file);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
}

function storeOne(top: string, cacheTag: string, { source, content }: CompiledFile): void {
  const cache = join(top, dirname(source), '__pycache__');
  makeDirectory(cache);
  const path = join(cache, `${basename(source, '.py')}.${cacheTag}.pyc`);
  writeFileSync(`${path}.tmp`, content, { mode: 0o644 });
  renameSync(`${path}.tmp`, path);
}

/** Not the ones above it: they would come back to life where the version is being removed. */
function makeDirectory(path: string): void {
  try {
    mkdirSync(path, { mode: 0o755 });
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error;
  }
}

function isSource(top: string, source: string): boolean {
  const path = join(top, source);
  try {
    return source.endsWith('.py') && lstatSync(path).isFile() && realpathSync(path) === `${top}/${source}`;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return false;
    throw error;
  }
}

function errnoOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}
