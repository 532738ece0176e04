import { expect, test } from 'vitest';
import { initOf, untilGone, zygoteIfThere, zygoteOf } from '../helpers/background.ts';
import { gateOf, gates } from '../helpers/gate.ts';
import { leavesNothing } from '../helpers/leftovers.ts';
import { until } from '../helpers/poll.ts';
import { packageZygotesOf, parentOf, readProcess, templateOf, treeOf } from '../helpers/processes.ts';
import { BACK_MS, errorOf, FaultStage } from './stage.ts';

leavesNothing();

const DEATHS = 'openlambda_zygote_deaths_total';

/** The log says of a root zygote how it ended, and the metrics count it. */
async function expectReplaced(stage: FaultStage, how: RegExp): Promise<void> {
  const lines = await stage.worker.log();
  expect(lines).toContainEqual(
    expect.objectContaining({
      how: expect.stringMatching(how),
      msg: expect.stringMatching(/root zygote died/),
    }),
  );
  expect((await stage.metrics()).get(`${DEATHS}{zygote="root"}`)).toBe(1);
}

/** The zygote with the package `kept`. */
async function packageZygoteOf(stage: FaultStage): Promise<number> {
  const root = await zygoteOf(stage.cluster);
  const [only, ...others] = packageZygotesOf(root);
  if (only === undefined || others.length > 0)
    throw new Error(`there are ${others.length + (only === undefined ? 0 : 1)} zygotes with packages`);
  return only;
}

/** A root zygote that is not this one. */
async function nextZygote(stage: FaultStage, dead: number): Promise<number> {
  return await until('another root zygote', async () => {
    const pid = await zygoteIfThere(stage.cluster);
    return pid === dead ? null : pid;
  });
}

const ENDS = [
  { signal: 'SIGKILL', how: /^signal SIGKILL$/ },
  { signal: 'SIGSTOP', how: /^it did not answer for 2500 ms$/ },
] as const;

for (const { signal, how } of ENDS) {
  test(`${signal} of the root zygote: what its sandboxes have begun is finished, and other calls go to those of the next one`, async () => {
    await using stage = await FaultStage.open({ invocation_timeout_ms: 60_000 });
    await stage.cluster.addFixture('gate');
    await stage.startWarm();
    await stage.survives(async () => {
      const { paths } = stage.cluster;
      const begun = stage.call('gate', 'begun');
      await gateOf(paths);
      const [busy, idle] = [await stage.sandboxOf('gate'), await stage.sandboxOf('here')];
      const zygote = await zygoteOf(stage.cluster);
      process.kill(zygote, signal);
      const next = await nextZygote(stage, zygote);
      expect(parentOf(busy)).toBe(await initOf(stage.cluster));
      // Idle ones are replaced: none of those that serve from now on is of the dead one.
      await until('end of what was idle', () => readProcess(idle) === null);
      await stage.expectServed();
      expect(parentOf(await stage.sandboxOf('here'))).toBe(next);
      const meanwhile = stage.call('gate', 'meanwhile');
      for (const gate of await gates(paths, 2)) await gate.open();
      const answers = [await begun, await meanwhile];
      expect(answers.map(({ status, body }) => [status, body])).toEqual([
        [200, '"begun"'],
        [200, '"meanwhile"'],
      ]);
      await until('end of what was busy', () => readProcess(busy) === null);
      await stage.cluster.removeFunction('gate');
      await stage.call('gate');
    });
    await expectReplaced(stage, how);
    const { lines, orphaned } = await endOf(stage);
    expect(lines).toContain('the last sandbox of the dead root zygote has ended');
    expect(orphaned).toBe(3);
  });
}

/** What the log says, and how many sandboxes were ended because their root zygote was dead. */
async function endOf(stage: FaultStage): Promise<{ lines: unknown[]; orphaned: number | undefined }> {
  const lines = (await stage.worker.log()).map(({ msg }) => msg);
  const orphaned = (await stage.metrics()).get('openlambda_sandboxes_ended_total{reason="orphaned"}');
  return { lines, orphaned };
}

test('a sandbox whose root zygote is dead ends as any other: by its own hand, for want of memory, by the time limit', async () => {
  await using stage = await FaultStage.open({ invocation_timeout_ms: 8000, mem_limit_mb: 48 });
  const names = ['exits', 'greedy', 'sleeps'];
  const code = [
    'import os, time',
    'def handler(event):',
    '    print(1, flush=True)',
    "    while not os.path.exists('/host/open'):",
    '        time.sleep(0.005)',
    "    if event == 'exits':",
    '        os._exit(7)',
    "    if event == 'greedy':",
    '        return len(bytearray(200 * 1024 * 1024))',
    '    time.sleep(1000)',
    '',
  ].join('\n');
  for (const name of names) await stage.cluster.writeFunction(name, { 'lambda_func.py': code });
  await stage.startWarm();
  await stage.survives(async () => {
    const calls = names.map((name) => stage.call(name, name));
    const all = await Promise.all(names.map((name) => gateOf(stage.cluster.paths, name)));
    const zygote = await zygoteOf(stage.cluster);
    process.kill(zygote, 'SIGKILL');
    await nextZygote(stage, zygote);
    for (const gate of all) await gate.open();
    const answers = await Promise.all(calls);
    expect(answers.map(errorOf)).toEqual([
      '502 ERR_SANDBOX_DIED',
      '502 ERR_OUT_OF_MEMORY',
      '504 ERR_TIMEOUT',
    ]);
    expect(answers[0]?.body).toContain('exit code 7');
    for (const name of names) await stage.cluster.removeFunction(name);
    for (const name of names) await stage.call(name);
  });
});

test('kill -9 of the worker while sandboxes of a dead root zygote are at work leaves none of them', async () => {
  await using stage = await FaultStage.open({ invocation_timeout_ms: 60_000 });
  await stage.cluster.addFixture('gate');
  await stage.startWarm();
  await stage.survives(async () => {
    const cut = stage.call('gate').catch((error: Error) => error);
    await gateOf(stage.cluster.paths);
    const zygote = await zygoteOf(stage.cluster);
    process.kill(zygote, 'SIGKILL');
    await nextZygote(stage, zygote);
    const tree = stage.worker.tree();
    expect(tree.map(({ pid }) => pid)).toContain(await stage.sandboxOf('gate'));
    stage.worker.kill('SIGKILL');
    expect(await cut).toBeInstanceOf(Error);
    await untilGone(tree);
    await stage.start();
  });
});

test('kill -9 of PID 1 of the sandboxes', async () => {
  await using stage = await FaultStage.open({ invocation_timeout_ms: 60_000 });
  await stage.cluster.addFixture('gate');
  await stage.startWarm();
  await stage.survives(async () => {
    const cut = stage.call('gate');
    // Until the handler has read the request it would be sent to another sandbox.
    await gateOf(stage.cluster.paths);
    const init = await initOf(stage.cluster);
    const tree = treeOf(init);
    process.kill(init, 'SIGKILL');
    await untilGone(tree);
    expect(JSON.parse((await cut).body).error).toEqual({
      code: 'ERR_SANDBOX_DIED',
      message: "the sandbox of 'gate' died during the request: signal SIGKILL",
    });
  });
  await expectReplaced(stage, /^signal SIGKILL$/);
});

test('SIGSTOP of PID 1 of the sandboxes, and of the root zygote', async () => {
  await using stage = await FaultStage.open({ invocation_timeout_ms: 20_000 });
  await stage.startWarm();
  await stage.survives(async () => {
    const init = await initOf(stage.cluster);
    const tree = treeOf(init);
    for (const pid of [init, await zygoteOf(stage.cluster)]) process.kill(pid, 'SIGSTOP');
    await untilGone(tree);
  });
  await expectReplaced(stage, /^it did not answer for 2500 ms$/);
});

test('SIGSTOP of the root zygote', async () => {
  await using stage = await FaultStage.open({ invocation_timeout_ms: 20_000, spare_sandboxes: 0 });
  const names = ['cold0', 'cold1', 'cold2'];
  for (const name of names) await stage.cluster.addFixture('echo', name);
  await stage.startWarm();
  await stage.survives(async () => {
    process.kill(await zygoteOf(stage.cluster), 'SIGSTOP');
    // What is here needs it for nothing.
    await stage.expectServed();
    const since = performance.now();
    const answers = await Promise.all(names.map((name) => stage.call(name, 1)));
    expect(answers.map(errorOf)).toEqual(names.map(() => '200'));
    expect(performance.now() - since).toBeLessThan(BACK_MS);
    for (const name of names) await stage.cluster.removeFunction(name);
    for (const name of names) await stage.call(name);
  });
  await expectReplaced(stage, /^it did not answer for 2500 ms$/);
});

test('SIGSTOP of the root zygote hides from nobody how a sandbox ended', async () => {
  await using stage = await FaultStage.open({ invocation_timeout_ms: 20_000 });
  const code = 'import os\ndef handler(event):\n    return os._exit(7) if event else 1\n';
  await stage.cluster.writeFunction('exits', code);
  await stage.startWarm();
  await stage.survives(async () => {
    expect(errorOf(await stage.call('exits', 0))).toBe('200');
    process.kill(await zygoteOf(stage.cluster), 'SIGSTOP');
    const { body } = await stage.call('exits', 1);
    expect(JSON.parse(body).error).toEqual({
      code: 'ERR_SANDBOX_DIED',
      message: "the sandbox of 'exits' died during the request: exit code 7",
    });
    await stage.cluster.removeFunction('exits');
    await stage.call('exits');
  });
});

test('SIGSTOP of a root zygote that nobody asks for anything', async () => {
  await using stage = await FaultStage.open();
  await stage.startWarm();
  await stage.survives(async () => {
    process.kill(await zygoteOf(stage.cluster), 'SIGSTOP');
    await until('its death in the metrics', async () => {
      return (await stage.metrics()).get(`${DEATHS}{zygote="root"}`) === 1;
    });
  });
});

test('kill -9 of the template that sandboxes are forked from: there is another one for the next', async () => {
  await using stage = await FaultStage.open({ spare_sandboxes: 0 });
  const names = ['cold0', 'cold1', 'cold2'];
  for (const name of names) await stage.cluster.addFixture('echo', name);
  await stage.startWarm();
  await stage.survives(async () => {
    const zygote = await zygoteOf(stage.cluster);
    for (const name of names) {
      const template = templateOf(zygote) ?? 0;
      process.kill(template, 'SIGKILL');
      // What is here needs it for nothing.
      await stage.expectServed();
      expect(errorOf(await stage.call(name, 1))).toBe('200');
      expect([template, null]).not.toContain(templateOf(zygote));
    }
    expect(await zygoteOf(stage.cluster)).toBe(zygote);
    for (const name of names) await stage.cluster.removeFunction(name);
    for (const name of names) await stage.call(name);
  });
  expect((await stage.metrics()).get(`${DEATHS}{zygote="root"}`)).toBe(0);
});

test('SIGSTOP of the template that sandboxes are forked from: its zygote is replaced', async () => {
  await using stage = await FaultStage.open({ invocation_timeout_ms: 20_000, spare_sandboxes: 0 });
  await stage.cluster.addFixture('echo', 'cold');
  await stage.startWarm();
  await stage.survives(async () => {
    const template = templateOf(await zygoteOf(stage.cluster)) ?? 0;
    process.kill(template, 'SIGSTOP');
    expect(errorOf(await stage.call('cold', 1))).toBe('200');
    await until('end of the template', () => readProcess(template) === null);
    await stage.cluster.removeFunction('cold');
    await stage.call('cold');
  });
  await expectReplaced(stage, /^it did not answer for 2500 ms$/);
});

for (const signal of ['SIGKILL', 'SIGSTOP'] as const) {
  test(`${signal} of a zygote with packages`, async () => {
    await using stage = await FaultStage.open({
      invocation_timeout_ms: 20_000,
      import_cache_size: 512 * 1024,
    });
    const { cluster } = stage;
    await cluster.addFixture('gate', 'begun');
    await cluster.writeFunction('begun', { 'packages.txt': 'kept\n' });
    const packaged = {
      'packages.txt': 'kept\n',
      'lambda_func.py': 'import kept\ndef handler(event):\n    return event\n',
    };
    await cluster.writeFunction('other', packaged);
    await cluster.writeFunction('third', packaged);
    await stage.startWarm();
    await stage.survives(async () => {
      const begun = stage.call('begun', 1);
      const gate = await gateOf(cluster.paths, 'begun');
      const zygote = await packageZygoteOf(stage);
      process.kill(zygote, signal);
      await stage.expectServed();
      expect(errorOf(await stage.call('other', 1))).toBe('200');
      await until('its death in the metrics', async () => {
        return (await stage.metrics()).get(`${DEATHS}{zygote="packages"}`) === 1;
      });
      expect(errorOf(await stage.call('third', 1))).toBe('200');
      expect(await packageZygoteOf(stage)).not.toBe(zygote);
      await gate.open();
      expect(errorOf(await begun)).toBe('200');
      for (const name of ['begun', 'other', 'third']) await cluster.removeFunction(name);
      for (const name of ['begun', 'other', 'third']) await stage.call(name);
    });
  });
}

test('kill -9 of the root zygote takes zygotes with packages with it, and others are forked from the next one', async () => {
  await using stage = await FaultStage.open({ invocation_timeout_ms: 20_000, import_cache_size: 512 * 1024 });
  await stage.startWarm();
  await stage.survives(async () => {
    const [root, old] = [await zygoteOf(stage.cluster), await packageZygoteOf(stage)];
    const idle = await stage.sandboxOf('packaged');
    process.kill(root, 'SIGKILL');
    await until('end of the zygote with packages', () => readProcess(old) === null);
    await nextZygote(stage, root);
    await until('end of what was idle', () => readProcess(idle) === null);
    await stage.expectServed();
    expect(parentOf(await packageZygoteOf(stage))).toBe(await zygoteOf(stage.cluster));
  });
  expect((await stage.metrics()).get(`${DEATHS}{zygote="packages"}`)).toBe(1);
});

test('kill -9 of the root zygote while a zygote imports packages is nothing that these are blamed for', async () => {
  await using stage = await FaultStage.open({ invocation_timeout_ms: 30_000, import_cache_size: 512 * 1024 });
  stage.index.add({ name: 'slow', version: '1.0', files: { 'slow.py': 'import time\ntime.sleep(3)\n' } });
  const files = {
    'packages.txt': 'slow\n',
    'lambda_func.py': 'import slow\ndef handler(event):\n    return event\n',
  };
  for (const name of ['first', 'second']) await stage.cluster.writeFunction(name, files);
  await stage.startWarm();
  await stage.client.request('/packages/first', { method: 'POST', timeoutMs: 60_000 });
  const zygotes = async () => (await stage.metrics()).get('openlambda_zygotes');
  expect(await zygotes()).toBe(1);
  const first = stage.call('first', 1);
  await until('the import', async () => (await zygotes()) === 2);
  const root = await zygoteOf(stage.cluster);
  process.kill(root, 'SIGKILL');
  expect(errorOf(await first)).toBe('200');
  expect(errorOf(await stage.call('second', 2))).toBe('200');
  const lines = await stage.worker.log();
  const failed = lines.filter(({ msg }) => msg === 'packages are not imported ahead');
  expect(failed).toMatchObject([{ err: { code: 'ERR_ZYGOTE' }, packages: ['slow==1.0'] }]);
  expect(lines).toContainEqual(expect.objectContaining({ modules: ['slow'], msg: 'modules imported ahead' }));
});

test('want of memory in a zygote with packages', async () => {
  await using stage = await FaultStage.open({
    import_cache_size: 512 * 1024,
    import_mem_limit_mb: 48,
    mem_limit_mb: 256,
    invocation_timeout_ms: 20_000,
  });
  const text = 'KEPT = b"x" * (100 * 1024 * 1024)\n';
  stage.index.add({ name: 'large', version: '1.0', files: { 'large.py': text } });
  await stage.cluster.writeFunction('large', {
    'packages.txt': 'large\n',
    'lambda_func.py': 'import large\ndef handler(event):\n    return len(large.KEPT)\n',
  });
  await stage.startWarm();
  await stage.survives(async () => {
    // The zygote can't import it, and the function does that itself.
    expect(errorOf(await stage.call('large'))).toBe('200');
    await stage.cluster.removeFunction('large');
    await stage.call('large');
  });
  expect(JSON.stringify(await stage.worker.log())).toMatch(/memory was used up: raise import_mem_limit_mb/);
});
