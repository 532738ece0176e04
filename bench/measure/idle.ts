import { setTimeout as sleep } from 'node:timers/promises';
import { WorkerClient } from '../../src/client/worker-client.ts';
import type { SandboxReport } from '../../src/telemetry/sandbox-report.ts';
import { BenchClient } from './client.ts';
import { NO_OP, settle } from './functions.ts';
import type { Rig } from './rig.ts';

const PATIENCE_MS = 10_000;
const LOOK_EVERY_MS = 50;

/** Calls the functions number `from` to `to - 1`, which are new, once each: each then has an idle sandbox. Times in ms. */
export async function callNewFunctions(rig: Rig, from: number, to: number): Promise<number[]> {
  const names = Array.from({ length: to - from }, (_, index) => `idle-${from + index}`);
  for (const name of names) await rig.addFunction(name, NO_OP);
  await settle();
  const client = new BenchClient(rig.url);
  const times: number[] = [];
  for (const name of names) times.push(await client.post(`/runLambda/${name}`, '{}'));
  client.close();
  return times;
}

/** Resolves when there are this many sandboxes, and all are paused. */
export async function allPaused(rig: Rig, count: number): Promise<readonly SandboxReport[]> {
  const client = new WorkerClient(rig.url);
  const end = performance.now() + PATIENCE_MS;
  try {
    for (;;) {
      const all = await client.sandboxes();
      const paused = all.filter(({ state }) => state === 'paused').length;
      if (paused === count && all.length === count) return all;
      if (performance.now() > end)
        throw new Error(`${paused} of ${all.length} sandboxes are paused, not ${count}`);
      await sleep(LOOK_EVERY_MS);
    }
  } finally {
    client.close();
  }
}
