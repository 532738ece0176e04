import { expect, test } from 'vitest';
import { gateOf } from '../helpers/gate.ts';
import { leavesNothing } from '../helpers/leftovers.ts';
import { errorOf, FaultStage } from './stage.ts';

leavesNothing();

test('kill -9 of a sandbox, idle and in a request', async () => {
  await using stage = await FaultStage.open({ invocation_timeout_ms: 60_000 });
  await stage.cluster.addFixture('gate');
  await stage.startWarm();
  await stage.survives(async () => {
    process.kill(await stage.sandboxOf('here'), 'SIGKILL');
    // One that died while it was idle takes no request with it.
    await stage.expectServed();
    const cut = stage.call('gate');
    await gateOf(stage.cluster.paths);
    process.kill(await stage.sandboxOf('gate'), 'SIGKILL');
    expect(errorOf(await cut)).toBe('502 ERR_SANDBOX_DIED');
  });
});

test('SIGSTOP of a handler', async () => {
  await using stage = await FaultStage.open({ invocation_timeout_ms: 1000 });
  await stage.startWarm();
  await stage.survives(async () => {
    process.kill(await stage.sandboxOf('here'), 'SIGSTOP');
    // It is not seen to be stopped before somebody has waited for it.
    expect(errorOf(await stage.call('here'))).toBe('504 ERR_TIMEOUT');
  });
});

test('want of memory in a handler', async () => {
  await using stage = await FaultStage.open({ mem_limit_mb: 48 });
  await stage.cluster.writeFunction(
    'greedy',
    'def handler(event):\n    return len(bytearray(event * 1024 * 1024))\n',
  );
  await stage.startWarm();
  await stage.survives(async () => {
    expect(errorOf(await stage.call('greedy', 200))).toBe('502 ERR_OUT_OF_MEMORY');
    expect(errorOf(await stage.call('greedy', 1))).toBe('200');
    await stage.cluster.removeFunction('greedy');
    await stage.call('greedy', 1);
  });
});
