import { expect, test } from 'vitest';
import { leavesNothing } from '../helpers/leftovers.ts';
import { until } from '../helpers/poll.ts';
import { makeImportingEngine, makeSockEngine } from '../helpers/sock-engine.ts';
import { describeSandboxContract, requestOf } from './sandbox.contract.ts';

leavesNothing();
describeSandboxContract('sock', makeSockEngine);
describeSandboxContract('sock, from a package zygote,', makeImportingEngine);

test('after a kill -9 of the root zygote its sandboxes are dead, and new ones can be made', async () => {
  const fixture = await makeSockEngine();
  try {
    const code = await fixture.code('echo', 'def handler(event): return event\n');
    for (let round = 1; round <= 3; round++) {
      const sandbox = await fixture.engine.create(code, null);
      await sandbox.request(requestOf(round));
      process.kill(fixture.zygotes.at(-1) ?? 0, 'SIGKILL');
      expect(await sandbox.dead).toMatchObject({ code: null, signal: 'SIGKILL', reason: null });
      const next = await fixture.engine.create(code, null);
      expect((await next.request(requestOf('again'))).body.toString()).toBe('"again"');
      await until('next zygote', () => fixture.zygotes.length === round + 1);
    }
  } finally {
    await fixture.dispose();
  }
});

test('sandboxes asked for in the moment of its death are made', async () => {
  const fixture = await makeSockEngine();
  try {
    const code = await fixture.code('echo', 'def handler(event): return event\n');
    process.kill(fixture.zygotes.at(-1) ?? 0, 'SIGKILL');
    const all = await Promise.all(Array.from({ length: 6 }, () => fixture.engine.create(code, null)));
    // Some may have got hold of a spare that was dying, or have been at work: those are gone, and say so.
    const answers = await Promise.all(all.map((one) => one.request(requestOf(1)).catch((error) => error)));
    const fine = answers.filter((answer) => answer.status === 200);
    const ended = answers.filter(({ code: of }) => of === 'ERR_SANDBOX_GONE' || of === 'ERR_SANDBOX_DIED');
    expect(fine.length + ended.length).toBe(6);
  } finally {
    await fixture.dispose();
  }
});

test('an engine whose root zygote has just died can be closed', async () => {
  const fixture = await makeSockEngine();
  process.kill(fixture.zygotes.at(-1) ?? 0, 'SIGKILL');
  await fixture.dispose();
});
