import { lstat, readdir, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { checkConfig } from '../config/check.ts';
import { OlError } from '../errors.ts';
import { syncDir, writeFileAtomic } from '../linux/durable.ts';
import { kindOf } from './base.ts';
import { type BaseChoice, type ExportImage, makeBase, parseBase } from './base-make.ts';
import { makeDir, renameToNew, syncFileSystem } from './files.ts';
import { CLUSTER_DIRS, type ClusterPaths, clusterPaths, realpathOf } from './paths.ts';
import { isAlive, startTicks } from './process.ts';

export interface CreateOptions {
  /** `host` (the default), `dir:<path>`, `docker:<image>` or the path of a tar archive. */
  readonly base?: string;
  readonly signal?: AbortSignal;
  /** Needed for `docker:<image>`. */
  readonly exportImage?: ExportImage;
}

/**
 * Makes a cluster directory, all or nothing: it is built beside its place under a temporary name and renamed. Throws
 * ERR_CLUSTER_EXISTS, ERR_NO_PARENT, ERR_BASE_IMAGE, ERR_NO_PYTHON; then nothing is left.
 */
export async function createCluster(cluster: string, options: CreateOptions = {}): Promise<ClusterPaths> {
  const base = await parseBase(options.base ?? 'host');
  const target = await placeFor(cluster);
  await removeLeftovers(target);
  const building = join(dirname(target), `${buildPrefix(target)}${process.pid}.${startTicks(process.pid)}`);
  try {
    await build(building, target, base, options);
    options.signal?.throwIfAborted();
    await renameToNew(building, target);
  } catch (error) {
    await rm(building, { recursive: true, force: true });
    throw error;
  }
  await syncDir(dirname(target));
  return clusterPaths(target);
}

/** Where the cluster will be, links resolved. */
async function placeFor(cluster: string): Promise<string> {
  const path = resolve(cluster);
  const parent = dirname(path);
  if ((await kindOf(path)) !== null) throw new OlError('ERR_CLUSTER_EXISTS', { path: cluster });
  const found = await stat(parent).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return null;
    throw error;
  });
  if (found?.isDirectory() !== true) throw new OlError('ERR_NO_PARENT', { parent });
  return join(await realpathOf(parent), basename(path));
}

async function build(dir: string, target: string, base: BaseChoice, options: CreateOptions): Promise<void> {
  await makeDir(dir);
  for (const name of CLUSTER_DIRS) await makeDir(join(dir, name));
  const paths = clusterPaths(dir);
  await makeBase(paths.base, base, options);
  await writeFileAtomic(paths.template, `${JSON.stringify(newTemplate(clusterPaths(target)), null, 2)}\n`);
  await syncFileSystem(dir);
}

/** Every setting with its default, for the user to see and change. The port is a string, as it always was. */
function newTemplate(paths: ClusterPaths): Record<string, unknown> {
  const config = checkConfig(
    {
      cluster_name: paths.root,
      registry_dir: paths.registry,
      sock_base_path: paths.base,
      pkgs_dir: paths.packages,
    },
    paths.template,
  );
  return { ...config, worker_port: String(config.worker_port) };
}

function buildPrefix(target: string): string {
  return `.${basename(target)}.new-`;
}

/** Removes what a `new` of the same name left when it was killed. Another user's directory is not ours to walk. */
async function removeLeftovers(target: string): Promise<void> {
  const parent = dirname(target);
  for (const name of await readdir(parent)) {
    if (!name.startsWith(buildPrefix(target))) continue;
    const match = /^(\d+)\.(\d+)$/.exec(name.slice(buildPrefix(target).length));
    if (match === null || isAlive(Number(match[1]), Number(match[2]))) continue;
    const path = join(parent, name);
    if ((await lstat(path)).uid === process.getuid?.()) await rm(path, { recursive: true, force: true });
  }
}
