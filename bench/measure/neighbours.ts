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
  /** How often each has been ended by a bound so far, by its name and the status of the answer. */
  readonly ends: ReadonlyMap<string, number>;
}

/**
 * Sets functions of the worker to work, which are in its registry; resolves when each has begun. At its end those that run have
 * been ended by their bounds, and no call waits for one that is held back.
 */
export async function disturb(url: string, names: readonly string[]): Promise<Disturbance> {
  const ends = new Map<string, number>();
  const callers = new WorkerClient(url);
  let isOver = false;
  const keepCalling = async (name: string) => {
    while (!isOver) {
      const status = await callers.invoke(name, {}).then(
        (answer) => answer.status,
        (error: unknown) => {
          if (!isOver) throw error;
          return null; // its connection was closed while it waited
        },
      );
      if (status !== null) ends.set(`${name} ${status}`, (ends.get(`${name} ${status}`) ?? 0) + 1);
    }
  };
  const calls = Promise.all(names.map(keepCalling));
  const stop = async () => {
    if (isOver) return;
    isOver = true;
    await untilRested(url, names);
    callers.close();
    await calls;
    // One may have been started at the last moment.
    await untilRested(url, names);
  };
  try {
    await Promise.race([allBegun(url, names, ends), calls]);
  } catch (error) {
    await stop();
    throw error;
  }
  return { ends, [Symbol.asyncDispose]: stop };
}

/** Some of them live for moments only: one that has ended has begun. */
async function allBegun(
  url: string,
  names: readonly string[],
  ends: ReadonlyMap<string, number>,
): Promise<void> {
  const missing = new Set(names);
  await until(url, `${names.join(', ')} did not start`, (busy) => {
    for (const name of busy) missing.delete(name);
    for (const end of ends.keys()) missing.delete(end.split(' ')[0] ?? '');
    return missing.size === 0;
  });
}

async function untilRested(url: string, names: readonly string[]): Promise<void> {
  await until(url, `${names.join(', ')} did not end`, (busy) => !busy.some((name) => names.includes(name)));
}

/** Asks with the names of the functions that are at work, until the answer is yes. */
async function until(url: string, what: string, isDone: (busy: readonly string[]) => boolean): Promise<void> {
  const client = new WorkerClient(url);
  try {
    for (const end = performance.now() + PATIENCE_MS; ; await sleep(LOOK_EVERY_MS)) {
      const busy = (await client.sandboxes()).filter(({ state }) => state === 'busy');
      if (isDone(busy.map((one) => one.function))) return;
      if (performance.now() > end) throw new Error(what);
    }
  } finally {
    client.close();
  }
}
