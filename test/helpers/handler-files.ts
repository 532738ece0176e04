import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
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

/** Empty where there is no such directory. */
export async function namesIn(dir: string): Promise<string[]> {
  try {
    return await readdir(dir);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
