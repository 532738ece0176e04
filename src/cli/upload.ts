import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { OlError } from '../errors.ts';
import { openAnonymous } from '../linux/anonymous-file.ts';
import { packagesText } from '../packages/packages-file.ts';
import { parsePackagesFile } from '../packages/requirements.ts';
import { packDirectory } from '../registry/bundle/pack.ts';
import { handlePath } from '../registry/files.ts';
import { HANDLER_FILE } from '../registry/handler-file.ts';
import type { Store } from '../registry/store/store.ts';
import { example } from './command.ts';
import { progress, say, showBytes } from './show.ts';
import { addHandlerFlags, type HandlerFlags, need, withStore } from './store.ts';

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
    await checkHandlerFile(file);
    progress(`packing ${file}`);
    // Without a name, nothing of it is left however this ends.
    await using bundle = await openAnonymous(tmpdir());
    await packDirectory(file, bundle, { name });
    await put(store, name, handlePath(bundle));
  });
}

/** Before a directory that was not meant is packed, which may be large. */
async function checkHandlerFile(dir: string): Promise<void> {
  if (existsSync(join(dir, HANDLER_FILE))) return;
  const reason = `it has no ${HANDLER_FILE}: write the function's code to ${join(dir, HANDLER_FILE)}, or name the directory that has it`;
  throw new OlError('ERR_FILE_INVALID', { path: dir, reason });
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
