import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { WorkerClient } from '../../src/client/worker-client.ts';

const PROGRAMS = join(import.meta.dirname, '../../test/hostile/programs');

const program = (name: string) => readFileSync(join(PROGRAMS, `${name}.py`), 'utf8');

/** Functions that take all that they get, by what they are called in a registry. */
export const BAD_NEIGHBOURS = {
  'fork-bomb': program('fork_bomb'),
  'memory-bomb': program('memory_bomb'),
  'busy-loop': program('endless_loop'),
} as const;

export type BadNeighbour = keyof typeof BAD_NEIGHBOURS;

const LOOK_EVERY_MS = 10;
const PATIENCE_MS = 30_000;

/** Functions that are called again and again, each as soon as its last call has ended. */
export interface Disturbance extends AsyncDisposable {
  /** How often each has been ended by a bound so far, by the status of the answer. */
  readonly ends: ReadonlyMap<string, number>;
}

/** Sets functions of the worker to work, which are in its registry; resolves when each has begun. */
export async function disturb(url: string, names: readonly BadNeighbour[]): Promise<Disturbance> {
  const client = new WorkerClient(url);
  const ends = new Map<string, number>();
  let isOver = false;
  const keepCalling = async (name: string) => {
    while (!isOver) {
      const { status } = await client.invoke(name, {});
      ends.set(`${name} ${status}`, (ends.get(`${name} ${status}`) ?? 0) + 1);
    }
  };
  const calls = Promise.all(names.map(keepCalling));
  const stop = async () => {
    isOver = true;
    await calls;
    client.close();
  };
  try {
    await Promise.race([allSeen(client, names), calls]);
  } catch (error) {
    await stop();
    throw error;
  }
  return { ends, [Symbol.asyncDispose]: stop };
}

async function allSeen(client: WorkerClient, names: readonly string[]): Promise<void> {
  const missing = new Set(names);
  for (const end = performance.now() + PATIENCE_MS; missing.size > 0; await sleep(LOOK_EVERY_MS)) {
    for (const one of await client.sandboxes()) if (one.state === 'busy') missing.delete(one.function);
    if (performance.now() > end) throw new Error(`${[...missing].join(', ')} did not start`);
  }
}
