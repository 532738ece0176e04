import { expect, test } from 'vitest';
import type { Sandbox } from '../../src/sandbox/sandbox.ts';
import { leavesNothing } from '../helpers/leftovers.ts';
import { until } from '../helpers/poll.ts';
import { rootZygoteOf } from '../helpers/processes.ts';
import { python } from '../helpers/python.ts';
import { makeImportingEngine, makeSockEngine } from '../helpers/sock-engine.ts';
import { describeSandboxContract, requestOf } from './sandbox.contract.ts';

const ECHO_OR_EXIT = python`
  import os
  def handler(event):
      return os._exit(3) if event == 'exit' else event
`;

leavesNothing();
describeSandboxContract('sock', makeSockEngine);
describeSandboxContract('sock, from a package zygote,', makeImportingEngine);

test('after a kill -9 of PID 1 its sandboxes are dead, and new ones can be made', async () => {
  const fixture = await makeSockEngine();
  try {
    const code = await fixture.code('echo', 'def handler(event): return event\n');
    for (let round = 1; round <= 3; round++) {
      const sandbox = await fixture.engine.create(code, null);
      await sandbox.request(requestOf(round));
      process.kill(fixture.inits.at(-1) ?? 0, 'SIGKILL');
      expect(await sandbox.dead).toMatchObject({ code: null, signal: 'SIGKILL', reason: null });
      const next = await fixture.engine.create(code, null);
      expect((await next.request(requestOf('again'))).body.toString()).toBe('"again"');
      await until('next PID 1', () => fixture.inits.length === round + 1);
    }
  } finally {
    await fixture.dispose();
  }
});

test('after a kill -9 of the root zygote its sandboxes go on, and are to be replaced by those of the next one', async () => {
  for (const make of [makeSockEngine, makeImportingEngine]) {
    const fixture = await make();
    try {
      const code = await fixture.code('echo', ECHO_OR_EXIT);
      const answer = async (sandbox: Sandbox, event: unknown) =>
        JSON.parse((await sandbox.request(requestOf(event))).body.toString());
      const all: Sandbox[] = [];
      for (let round = 0; round < 3; round++) {
        const sandbox = await fixture.engine.create(code, null);
        all.push(sandbox);
        expect(await answer(sandbox, round)).toBe(round);
        const init = fixture.inits.at(-1) ?? 0;
        const zygote = rootZygoteOf(init);
        process.kill(zygote ?? 0, 'SIGKILL');
        await sandbox.retired;
        expect(rootZygoteOf(init)).not.toBe(zygote);
        await sandbox.pause();
        for (const one of all) expect(await answer(one, 'again')).toBe('again');
      }
      expect(fixture.inits).toHaveLength(1);
      const [first, ...others] = all;
      await expect(first?.request(requestOf('exit'))).rejects.toMatchObject({ code: 'ERR_SANDBOX_DIED' });
      expect(await first?.dead).toMatchObject({ code: 3, signal: null });
      for (const one of others)
        expect(await one.destroy('enough')).toMatchObject({ signal: 'SIGKILL', reason: 'enough' });
    } finally {
      await fixture.dispose();
    }
  }
});

test.each([
  'PID 1',
  'the root zygote',
])('sandboxes asked for in the moment of the death of %s are made', async (who) => {
  const fixture = await makeSockEngine();
  try {
    const code = await fixture.code('echo', 'def handler(event): return event\n');
    const init = fixture.inits.at(-1) ?? 0;
    process.kill((who === 'PID 1' ? init : rootZygoteOf(init)) ?? 0, 'SIGKILL');
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

test.each(['PID 1', 'root zygote'])('an engine whose %s has just died can be closed', async (who) => {
  const fixture = await makeSockEngine();
  const init = fixture.inits.at(-1) ?? 0;
  process.kill((who === 'PID 1' ? init : rootZygoteOf(init)) ?? 0, 'SIGKILL');
  await fixture.dispose();
});
