import { existsSync } from 'node:fs';
import { expect, test } from 'vitest';
import { chooseDriver } from '../../../src/cgroup/choose.ts';
import { planV1 } from '../../../src/cgroup/v1.ts';
import { planV2 } from '../../../src/cgroup/v2.ts';
import { silentLog } from '../../../src/telemetry/log.ts';

test('the chosen driver has a group of its own, says why it was chosen, and leaves nothing', async () => {
  const driver = chooseDriver({ workerName: `choose-${process.pid}`, log: silentLog() });
  expect(driver.dirs.every((dir) => dir.endsWith(`/openlambda-choose-${process.pid}`))).toBe(true);
  expect(driver.dirs.every(existsSync)).toBe(true);
  expect(driver.why).toMatch(/memory, pids|pids, memory/);
  await driver.close();
  expect(driver.dirs.filter(existsSync)).toEqual([]);
});

test('without any hierarchy it is said what is missing', () => {
  expect(planV2([])).toBe('no cgroup v2 tree is mounted');
  expect(planV1([])).toBe('there is no writable cgroup v1 hierarchy with pids, memory, cpu, freezer');
});

test('where v1 lacks one controller, that one is named', () => {
  const hierarchy = (controller: string) => ({
    version: 1 as const,
    controllers: [controller],
    top: '/tmp',
    own: '/tmp',
  });
  const mounted = ['memory', 'cpu', 'freezer'].map(hierarchy);
  expect(planV1(mounted)).toBe('there is no writable cgroup v1 hierarchy with pids');
  expect(planV1([...mounted, hierarchy('pids')])).toMatchObject({ freezerVersion: 1 });
});
