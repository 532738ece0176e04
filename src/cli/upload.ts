import { stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { OlError } from '../errors.ts';
import { packagesText } from '../packages/packages-file.ts';
import { parsePackagesFile } from '../packages/requirements.ts';
import { packDirectory } from '../registry/bundle/pack.ts';
import type { Store } from '../registry/store/store.ts';
import { example } from './command.ts';
import { progress, say, showBytes } from './show.ts';
import { addHandlerFlags, type HandlerFlags, need, withStore } from './store.ts';
import { withTemporaryDir } from './temporary.ts';

export function setup(command: Command): void {
  addHandlerFlags(command, 'its bundle, a .tar.gz with lambda_func.py at the top, or its directory').action(
    (options: HandlerFlags) => run(command, options),
  );
  example(
    command,
    'admin upload --cluster=my-cluster --handler=hello --file=quickstart/handlers/hello',
    'admin upload --cluster=my-cluster --handler=hello --file=hello.tar.gz',
  );
}

async function run(command: Command, options: HandlerFlags): Promise<void> {
  const name = need(command, options, 'handler');
  const file = need(command, options, 'file');
  await withStore(command, options, async (store) => {
    if (!(await isDirectory(file))) return await put(store, name, file);
    await withTemporaryDir(tmpdir(), async (dir) => {
      const bundle = join(dir, `${name}.tar.gz`);
      progress(`packing ${file}`);
      await packDirectory(file, bundle, { name });
      await put(store, name, bundle);
    });
  });
}

async function put(store: Store, name: string, file: string): Promise<void> {
  const { size } = await stat(file);
  progress(`checking ${showBytes(size)}, and putting it into ${store.place}`);
  const version = await store.put(name, file, { checkPackages });
  say(`uploaded ${name} to ${store.place}: ${showBytes(size)}, version ${version.slice(0, 16)}`);
}

/** As the worker does before it installs them. Throws ERR_PACKAGES_FILE. */
function checkPackages(bytes: Buffer, name: string): void {
  parsePackagesFile(packagesText(bytes, name), name);
}

/** Throws ERR_FILE_INVALID for what is neither that nor a file. */
async function isDirectory(path: string): Promise<boolean> {
  try {
    const found = await stat(path);
    if (found.isDirectory() || found.isFile()) return found.isDirectory();
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code !== 'ENOENT' && code !== 'ENOTDIR') throw cause;
    const reason = 'it is not there: name a .tar.gz, or the directory of the function';
    throw new OlError('ERR_FILE_INVALID', { path, reason }, { cause });
  }
  const reason = 'it is neither a file nor a directory: name a .tar.gz, or the directory of the function';
  throw new OlError('ERR_FILE_INVALID', { path, reason });
}
