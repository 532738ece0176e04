import { chmod, mkdir, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { Command } from 'commander';
import { renameToNew } from '../cluster/files.ts';
import { OlError } from '../errors.ts';
import { unpackBundle } from '../registry/bundle/unpack.ts';
import { example, UsageError } from './command.ts';
import { progress, say, showBytes } from './show.ts';
import { addHandlerFlags, type HandlerFlags, need, withStore } from './store.ts';
import { withTemporaryDir } from './temporary.ts';

const BUNDLE = /\.(tar\.gz|tgz)$/;
/** Who asks for one of these does not mean a directory. */
const OTHER_ARCHIVE = /\.(tar|zip|gz|bz2|xz|zst|tar\.\w+)$/i;

export function setup(command: Command): void {
  addHandlerFlags(
    command,
    'where to put it, not there yet: a name that ends in .tar.gz, or a directory',
  ).action((options: HandlerFlags) => run(command, options));
  example(
    command,
    'admin download --cluster=my-cluster --handler=hello --file=hello.tar.gz',
    'admin download --cluster=my-cluster --handler=hello --file=hello',
  );
}

async function run(command: Command, options: HandlerFlags): Promise<void> {
  const name = need(command, options, 'handler');
  const file = need(command, options, 'file');
  checkEnding(file);
  const path = resolve(file);
  await withStore(command, options, async (store) => {
    await checkFree(path);
    await withTemporaryDir(dirname(path), async (dir) => {
      const bundle = join(dir, 'bundle');
      progress(`fetching ${name} from ${store.place}`);
      await store.get(name, bundle);
      const { size } = await stat(bundle);
      await renameToNew(BUNDLE.test(file) ? bundle : await unpacked(bundle, dir, name), path);
      say(`downloaded ${name} to ${file}: ${showBytes(size)}`);
    });
  });
}

function checkEnding(file: string): void {
  if (BUNDLE.test(file) || !OTHER_ARCHIVE.test(file)) return;
  throw new UsageError(
    `--file=${file} is neither a .tar.gz nor the name of a directory: bundles end in .tar.gz or .tgz`,
  );
}

/** Checked as a worker does: what is in the registry may come from anybody. */
async function unpacked(bundle: string, dir: string, name: string): Promise<string> {
  const into = join(dir, 'unpacked');
  await mkdir(into);
  await chmod(into, 0o755);
  await unpackBundle(bundle, { into, name });
  return into;
}

/** Looked at before the way to the server; what comes there meanwhile is not written over either. */
async function checkFree(path: string): Promise<void> {
  const parent = await stat(dirname(path)).catch(nothing);
  if (!parent?.isDirectory()) throw new OlError('ERR_NO_PARENT', { parent: dirname(path) });
  if (await stat(path).catch(nothing)) throw new OlError('ERR_CLUSTER_EXISTS', { path });
}

function nothing(error: NodeJS.ErrnoException): null {
  if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return null;
  throw error;
}
