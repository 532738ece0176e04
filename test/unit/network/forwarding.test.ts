import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { type ForwardingPaths, giveUp, keepOnly, turnOn } from '../../../src/network/forwarding.ts';
import { useTempDir } from '../cluster/temp-dir.ts';

const temp = useTempDir();
let paths: ForwardingPaths;
beforeEach(() => {
  paths = { setting: join(temp.dir, 'ip_forward'), file: join(temp.dir, 'state', 'forwarding.json') };
  writeFileSync(paths.setting, '0\n');
});
const setting = () => readFileSync(paths.setting, 'utf8').trim();

test('is turned on by the first network, and put back with the last one', async () => {
  await turnOn('one', paths);
  await turnOn('two', paths);
  await turnOn('two', paths);
  expect(setting()).toBe('1');
  await giveUp('two', paths);
  expect(setting()).toBe('1');
  await giveUp('one', paths);
  expect(setting()).toBe('0');
  expect(existsSync(paths.file)).toBe(false);
  await giveUp('one', paths);
});

test('is left alone where it was on before', async () => {
  writeFileSync(paths.setting, '1\n');
  await turnOn('one', paths);
  await giveUp('one', paths);
  expect(setting()).toBe('1');
  expect(existsSync(paths.file)).toBe(false);
});

test('is put back for networks that are no more, whoever had them', async () => {
  for (const name of ['one', 'two', 'three']) await turnOn(name, paths);
  await keepOnly(['two', 'four'], paths);
  expect(setting()).toBe('1');
  await keepOnly(['four'], paths);
  expect(setting()).toBe('0');
});

test('what was written down in another boot does not count', async () => {
  mkdirSync(join(temp.dir, 'state'));
  writeFileSync(paths.file, JSON.stringify({ bootId: 'another', users: ['one'] }));
  writeFileSync(paths.setting, '1\n');
  await keepOnly([], paths);
  expect(setting()).toBe('1');
  await turnOn('two', paths);
  await giveUp('two', paths);
  expect(setting()).toBe('1');
});

test('where it can’t be turned on nothing is written down', async () => {
  const broken = { ...paths, setting: join(temp.dir, 'ip_forward', 'no') };
  await expect(turnOn('one', broken)).rejects.toThrow();
  expect(existsSync(paths.file)).toBe(false);
});
