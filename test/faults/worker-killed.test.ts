import { expect, test } from 'vitest';
import { claimsOf, untilGone } from '../helpers/background.ts';
import { gateOf } from '../helpers/gate.ts';
import { handlerFiles } from '../helpers/handler-files.ts';
import { leavesNothing } from '../helpers/leftovers.ts';
import { until } from '../helpers/poll.ts';
import { errorOf, FaultStage } from './stage.ts';

leavesNothing();

/** Ends the worker, waits until all that hung on it has ended by itself, and starts it as a supervisor does. */
async function killAndStart(stage: FaultStage): Promise<void> {
  const tree = stage.worker.tree();
  stage.worker.kill('SIGKILL');
  await untilGone(tree);
  const { paths } = stage.cluster;
  // Nobody is there to remove them before the next start.
  expect(await handlerFiles(paths)).not.toEqual([]);
  await stage.start();
  expect(await handlerFiles(paths)).toEqual([]);
  const { pid } = stage.worker.started;
  expect(await claimsOf(stage.cluster)).toMatchObject({ live: [{ pid }], stale: [] });
}

test('kill -9 of a worker that is idle', async () => {
  await using stage = await FaultStage.open();
  await stage.startWarm();
  await stage.survives(() => killAndStart(stage));
});

test('kill -9 of a worker in a request', async () => {
  await using stage = await FaultStage.open({ invocation_timeout_ms: 60_000 });
  await stage.cluster.addFixture('gate');
  await stage.startWarm();
  await stage.survives(async () => {
    const cut = stage.call('gate').catch((error: unknown) => error);
    await gateOf(stage.cluster.paths);
    await killAndStart(stage);
    expect(await cut).toMatchObject({ code: 'ERR_NO_ANSWER' });
  });
});

test('kill -9 of a worker while it makes sandboxes', async () => {
  await using stage = await FaultStage.open();
  const names = Array.from({ length: 8 }, (_, index) => `cold${index}`);
  for (const name of names) await stage.cluster.addFixture('echo', name);
  await stage.startWarm();
  await stage.survives(async () => {
    const before = stage.worker.tree().length;
    const cut = names.map((name) => stage.call(name, 1).catch((error: unknown) => error));
    await until('new sandboxes', () => stage.worker.tree().length > before);
    await killAndStart(stage);
    await Promise.all(cut);
  });
});

test('kill -9 of a worker while it installs a package', async () => {
  await using stage = await FaultStage.open({ invocation_timeout_ms: 30_000 });
  const { index, cluster } = stage;
  index.add({ name: 'late', version: '1.0', files: { 'late.py': 'VALUE = "late"\n' } });
  await cluster.writeFunction('installs', {
    'packages.txt': 'late\n',
    'lambda_func.py': 'import late\ndef handler(event):\n    return late.VALUE\n',
  });
  await stage.startWarm();
  await stage.survives(async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    index.held = promise;
    const cut = stage.call('installs').catch((error: unknown) => error);
    await until('question for the package', () => index.asked.some((path) => path.includes('/late/')));
    await killAndStart(stage);
    resolve();
    expect(await cut).toMatchObject({ code: 'ERR_NO_ANSWER' });
  });
  expect(errorOf(await stage.call('installs'))).toBe('200');
});
