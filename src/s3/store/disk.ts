import { mkdir, open, readdir, rename, rm, rmdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { syncDir } from '../../linux/durable.ts';
import { emptyDirectory } from '../../linux/remove-tree.ts';
import type { Log } from '../../telemetry/log.ts';
import { fileNameOf, type ObjectMeta, readMeta } from './object-file.ts';

/** Where everything is below the server's directory. */
export interface Layout {
  /** One directory a bucket, one file an object in it. */
  readonly buckets: string;
  /** One directory a multipart upload. */
  readonly uploads: string;
  /** What is being written; emptied at start. */
  readonly temporary: string;
}

/** Makes what is missing, and removes what a killed process left. */
export async function prepareLayout(dir: string): Promise<Layout> {
  const layout = {
    buckets: join(dir, 'buckets'),
    uploads: join(dir, 'uploads'),
    temporary: join(dir, 'temporary'),
  };
  for (const path of Object.values(layout)) await mkdir(path, { recursive: true, mode: 0o700 });
  await syncDir(dir);
  await emptyDirectory(layout.temporary);
  return layout;
}

/** Directories in a directory. */
export async function listDirs(dir: string): Promise<string[]> {
  const entries = await readdir(dir, { withFileTypes: true });
  return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
}

/** What is known about every object of a bucket, read from the ends of its files. What is no object is told to the log. */
export async function readObjects(dir: string, log: Log): Promise<ObjectMeta[]> {
  const found: ObjectMeta[] = [];
  for (const entry of await readdir(dir, { withFileTypes: true })) {
    const { name } = entry;
    const meta = entry.isFile() ? await readObject(join(dir, name)) : null;
    if (meta === null || fileNameOf(meta.key) !== name)
      log.warn({ path: join(dir, name) }, 'this file is no object');
    else found.push(meta);
  }
  return found;
}

async function readObject(path: string): Promise<ObjectMeta | null> {
  const handle = await open(path, 'r');
  try {
    return await readMeta(handle);
  } finally {
    await handle.close();
  }
}

export async function makeDir(path: string): Promise<number> {
  await mkdir(path, { mode: 0o700 });
  await syncDir(dirname(path));
  return await madeAt(path);
}

export async function madeAt(path: string): Promise<number> {
  return (await stat(path)).birthtimeMs;
}

/** Only where it is empty. */
export async function removeDir(path: string): Promise<void> {
  await rmdir(path);
  await syncDir(dirname(path));
}

/** Takes a tree out of sight in one step; the rest of it goes from where the next start would remove it, too. */
export async function removeDurably(path: string, trash: string): Promise<void> {
  await rename(path, trash);
  await syncDir(dirname(path));
  await rm(trash, { recursive: true, force: true });
}
