import { readdir, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { type ClusterPaths, workerIndex, workerPaths } from '../../src/cluster/paths.ts';

/** What is in the directories of a cluster that hold its sandboxes' scratch space. */
export async function handlerFiles(paths: ClusterPaths): Promise<string[]> {
  const found: string[] = [];
  for (const worker of await namesIn(paths.workers)) {
    const { handlers } = workerPaths(paths, workerIndex(worker) ?? 0);
    found.push(...(await namesIn(handlers)).map((name) => join(handlers, name)));
  }
  return found;
}

/** Puts a file `go` into the scratch directories that a function has now: what waits for it goes on. */
export async function letGo(paths: ClusterPaths, name: string): Promise<void> {
  const dirs = (await handlerFiles(paths)).filter((dir) => basename(dir) === name);
  for (const dir of dirs)
    for (const instance of await namesIn(dir)) await writeFile(join(dir, instance, 'go'), '');
}

/** Empty where there is no such directory. */
export async function namesIn(dir: string): Promise<string[]> {
  try {
    return await readdir(dir);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
