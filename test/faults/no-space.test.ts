import { readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { setTemplate } from '../../src/cluster/config-file.ts';
import { untilGone } from '../helpers/background.ts';
import { leavesNothing } from '../helpers/leftovers.ts';
import { until } from '../helpers/poll.ts';
import { isStillThere, listProcesses, type ProcessInfo } from '../helpers/processes.ts';
import { errorOf, FaultStage } from './stage.ts';

leavesNothing();

test('no space for scratch and code', async () => {
  await using stage = await FaultStage.open();
  const disk = await stage.putOnSmallDisk(stage.cluster.paths.workers, 128);
  for (const name of ['cold', 'edited']) await stage.cluster.addFixture('echo', name);
  await stage.startWarm();
  expect(errorOf(await stage.call('edited', 1))).toBe('200');
  await stage.survives(async () => {
    disk.fill();
    await stage.expectServed();
    expect(errorOf(await stage.call('cold', 1))).toBe('503 ERR_MACHINE_FULL');
    // Whoever sends a request after an edit never gets what was before it.
    await stage.cluster.writeFunction('edited', 'def handler(event):\n    return "new"\n');
    expect(errorOf(await stage.call('edited', 1))).toBe('503 ERR_MACHINE_FULL');
    await stage.expectServed();
    disk.empty();
    expect(errorOf(await stage.call('cold', 1))).toBe('200');
    expect(await stage.call('edited', 1)).toMatchObject({ status: 200, body: '"new"' });
    await stage.cluster.removeFunction('cold');
    await stage.call('cold');
  });
});

test('no space for packages', async () => {
  await using stage = await FaultStage.open({ invocation_timeout_ms: 30_000 });
  const disk = await stage.putOnSmallDisk(stage.cluster.paths.packages, 16);
  stage.index.add({ name: 'more', version: '1.0', files: { 'more.py': 'VALUE = 1\n' } });
  await stage.cluster.writeFunction('wants', {
    'packages.txt': 'more\n',
    'lambda_func.py': 'import more\ndef handler(event):\n    return more.VALUE\n',
  });
  await stage.startWarm();
  await stage.survives(async () => {
    disk.fill();
    await stage.expectServed();
    const answer = await stage.call('wants');
    expect(answer.status).not.toBe(200);
    expect(answer.body).toMatch(/no space left/i);
    disk.empty();
    expect(errorOf(await stage.call('wants'))).toBe('200');
    await stage.cluster.removeFunction('wants');
    await stage.call('wants');
  });
});

test('no space for logs', async () => {
  await using stage = await FaultStage.open();
  const disk = await stage.putOnSmallDisk(stage.cluster.paths.logs, 4);
  await stage.cluster.writeFunction('crashes', 'import os\ndef handler(event):\n    os._exit(3)\n');
  await stage.startWarm();
  await stage.survives(async () => {
    disk.fill();
    await stage.expectServed();
    // Each of them is a line in the log.
    for (let calls = 0; calls < 20; calls++)
      expect(errorOf(await stage.call('crashes'))).toBe('502 ERR_SANDBOX_DIED');
    disk.empty();
    expect(errorOf(await stage.call('crashes'))).toBe('502 ERR_SANDBOX_DIED');
    await stage.cluster.removeFunction('crashes');
    await stage.call('crashes');
    expect(isStillThere(stage.worker.process)).toBe(true);
    expect(readFileSync(stage.worker.started.log, 'utf8')).toMatch(/lines of the log are lost/);
    // One that can't be noted down is not left to itself.
    disk.fill();
    const tree = stage.worker.tree();
    stage.worker.kill('SIGKILL');
    await untilGone(tree);
    await expect(stage.start()).rejects.toThrow(/ENOSPC/);
    await until('end of what was started', () => processesOf(stage).length === 0);
    disk.empty();
    await stage.start();
  });
});

function processesOf(stage: FaultStage): ProcessInfo[] {
  return listProcesses().filter(({ command }) => command.includes(stage.cluster.paths.root));
}

test('no space for the config', async () => {
  await using stage = await FaultStage.open();
  const template = readFileSync(stage.cluster.paths.template);
  const disk = await stage.putOnSmallDisk(stage.cluster.paths.config, 1);
  writeFileSync(stage.cluster.paths.template, template);
  await stage.startWarm();
  await stage.survives(async () => {
    disk.fill();
    const before = readFileSync(stage.cluster.paths.template, 'utf8');
    await expect(setTemplate(stage.cluster.paths.root, '{"queue_max": 7}')).rejects.toThrow(/ENOSPC/);
    expect(readFileSync(stage.cluster.paths.template, 'utf8')).toBe(before);
    await stage.expectServed();
    disk.empty();
    await setTemplate(stage.cluster.paths.root, '{"queue_max": 7}');
    stage.worker.kill('SIGKILL');
    await stage.start();
  });
});
