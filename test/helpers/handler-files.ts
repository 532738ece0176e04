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

/** Lets the calls of the fixture `held` return that run now. */
export async function letGo(paths: ClusterPaths): Promise<void> {
  const held = (await handlerFiles(paths)).filter((dir) => basename(dir) === 'held');
  for (const dir of held)
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
