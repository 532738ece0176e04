import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { leavesNothing } from '../helpers/leftovers.ts';
import { until } from '../helpers/poll.ts';
import { readProcess, treeOf } from '../helpers/processes.ts';
import { python } from '../helpers/python.ts';
import { useWorker } from '../helpers/worker.ts';

leavesNothing();

const lively = useWorker(['echo'], { pause_delay_ms: 60_000 });
const paused = useWorker(['echo'], { pause_delay_ms: 1 });

async function pidOf({ current }: typeof lively): Promise<number> {
  const { pid } = await current.sandbox('echo');
  if (pid === null) throw new Error('it has no pid');
  return pid;
}

test.each([
  ['idle', lively],
  ['paused', paused],
] as const)('a sandbox that is killed while it is %s is replaced, and its client does not notice', async (state, worker) => {
  for (let round = 0; round < 15; round++) {
    await worker.current.result('echo', round);
    await until(state, async () => (await worker.current.sandbox('echo')).state === state);
    const pid = await pidOf(worker);
    process.kill(pid, 'SIGKILL');
    // From the very moment of its death to some time after it.
    if (round % 3 > 0) await sleep(round % 3);
    expect(await worker.current.result('echo', round)).toBe(round);
    await until('end of the killed one', () => readProcess(pid) === null);
  }
});

test('a sandbox that dies by itself at any moment after its answer is replaced, and its client does not notice', async () => {
  await lively.current.cluster.writeFunction(
    'brief',
    python`
    import os, threading
    def handler(seconds):
        threading.Timer(seconds, os._exit, [0]).start()
        return seconds
  `,
  );
  let replaced = 0;
  for (let round = 0; round < 60; round++) {
    const { status, body, headers } = await lively.current.call('brief', 0.003);
    // It may also die while it serves: then it says so, and that the handler may have run.
    if (status !== 200) expect(body).toMatch(/ERR_SANDBOX_DIED.*died during the request: exit code 0/);
    if (headers['x-openlambda-start'] === 'cold') replaced++;
    await sleep((round % 12) / 2);
  }
  expect(replaced).toBeGreaterThan(5);
});

test('a request that comes while its sandbox is being paused is served by that sandbox', async () => {
  // Busy all the time, so that it takes a moment until all of it has stopped.
  await paused.current.cluster.writeFunction(
    'restless',
    python`
    import threading
    def spin():
        while True: pass
    for _ in range(3): threading.Thread(target=spin, daemon=True).start()
    def handler(event): return event
  `,
  );
  await paused.current.result('restless', 'first');
  const { id } = await paused.current.sandbox('restless');
  for (let round = 0; round < 60; round++) {
    await sleep((round % 10) / 4);
    expect(await paused.current.result('restless', round)).toBe(round);
  }
  expect((await paused.current.sandbox('restless')).id).toBe(id);
});

test('what a handler leaves running is stopped with its paused sandbox, and dies with it', async () => {
  await paused.current.cluster.writeFunction(
    'parent',
    python`
    import subprocess
    def handler(event):
        subprocess.Popen(['/bin/sh', '-c', 'while :; do :; done'])
        return 'left'
  `,
  );
  await paused.current.result('parent');
  const { pid } = await paused.current.sandbox('parent');
  const tree = await until('child', () => {
    const found = treeOf(pid ?? 0);
    return found.length > 1 ? found : null;
  });
  await until('pause', async () => (await paused.current.sandbox('parent')).state === 'paused');
  await paused.current.cluster.removeFunction('parent');
  expect((await paused.current.call('parent')).status).toBe(404);
  await until('end of all', () => tree.every((one) => readProcess(one.pid)?.startTicks !== one.startTicks));
});
