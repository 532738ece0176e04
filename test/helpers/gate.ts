import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ClusterPaths, workerPaths } from '../../src/cluster/paths.ts';
import { namesIn } from './handler-files.ts';
import { until } from './poll.ts';

/** A sandbox of the fixture `gate`. Its calls do not return before the test opens the gate, however slow the machine is. */
export class Gate {
  readonly #scratch: string;

  constructor(scratch: string) {
    this.#scratch = scratch;
  }

  /** The events of the calls that its handler has begun, in their order. */
  async calls(): Promise<unknown[]> {
    const lines = (await readIfThere(join(this.#scratch, 'stdout'))).split('\n');
    return lines.slice(0, -1).map((line) => JSON.parse(line));
  }

  /** Lets all calls return, those that are still to come as well. */
  async open(): Promise<void> {
    await writeFile(join(this.#scratch, 'open'), '');
  }
}

/** Waits until so many sandboxes of worker 0 have begun a call of `gate`, or of a copy of it. */
export async function gates(paths: ClusterPaths, count: number, name = 'gate'): Promise<Gate[]> {
  const dir = join(workerPaths(paths, 0).handlers, name);
  return await until(`${count} handlers at their gates`, async () => {
    const all = (await namesIn(dir)).map((instance) => new Gate(join(dir, instance)));
    const begun = await Promise.all(all.map(async (gate) => (await gate.calls()).length > 0));
    return begun.filter(Boolean).length === count ? all.filter((_, index) => begun[index]) : null;
  });
}

/** The one gate where a single call is under way. */
export async function gateOf(paths: ClusterPaths, name?: string): Promise<Gate> {
  const [gate] = await gates(paths, 1, name);
  if (gate === undefined) throw new Error('there is no gate');
  return gate;
}

async function readIfThere(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return ''; // the sandbox is still being made
    throw error;
  }
}
