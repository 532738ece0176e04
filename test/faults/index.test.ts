import { expect, test } from 'vitest';
import type { ConfigFile } from '../../src/config/schema.ts';
import { leavesNothing } from '../helpers/leftovers.ts';
import { TestIndex } from '../helpers/package-index.ts';
import { until } from '../helpers/poll.ts';
import { errorOf, FaultStage } from './stage.ts';

leavesNothing();

/** A stage with a function whose package is not installed yet. */
async function openWanting(settings: ConfigFile): Promise<FaultStage> {
  const stage = await FaultStage.open(settings);
  stage.index.add({ name: 'more', version: '1.0', files: { 'more.py': 'VALUE = "more"\n' } });
  await stage.cluster.writeFunction('wants', {
    'packages.txt': 'more\n',
    'lambda_func.py': 'import more\ndef handler(event):\n    return more.VALUE\n',
  });
  await stage.startWarm();
  return stage;
}

/** The function that could not be served is, with no hand, now that the index is well; and goes. */
async function expectHad(stage: FaultStage): Promise<void> {
  await until('package', async () => (await stage.call('wants')).body === '"more"');
  await stage.cluster.removeFunction('wants');
  await stage.call('wants');
}

test('an index that is down', async () => {
  await using stage = await openWanting({ invocation_timeout_ms: 30_000 });
  await stage.survives(async () => {
    const { index } = stage;
    await index.goDown();
    expect(errorOf(await stage.call('wants'))).toBe('503 ERR_PACKAGES_INDEX');
    await stage.expectServed();
    await index.comeUp();
    await expectHad(stage);
  });
});

test('an index that is slow', async () => {
  await using stage = await openWanting({ invocation_timeout_ms: 1000 });
  await stage.survives(async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    stage.index.held = promise;
    expect(errorOf(await stage.call('wants'))).toBe('504 ERR_PACKAGES_WAIT');
    await stage.expectServed();
    resolve();
    await expectHad(stage);
  });
});

test('an index with a bad hash', async () => {
  await using stage = await openWanting({ invocation_timeout_ms: 30_000 });
  await stage.survives(async () => {
    stage.index.hash = () => '0'.repeat(64);
    const answer = await stage.call('wants');
    expect(errorOf(answer)).toMatch(/^50\d ERR_PACKAGE/);
    expect(answer.body).toMatch(/hash/i);
    await stage.expectServed();
    stage.index.hash = TestIndex.hash;
    await expectHad(stage);
  });
});
