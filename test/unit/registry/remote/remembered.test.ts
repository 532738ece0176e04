import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { Remembered } from '../../../../src/registry/remote/remembered.ts';
import { silentLog } from '../../../../src/telemetry/log.ts';

const record = (digit: string) => ({ name: 'f', version: digit.repeat(64), etag: `"${digit}"`, bytes: 1 });
const [FIRST, SECOND] = [record('1'), record('2')];

async function setUp() {
  const codeDir = await mkdtemp(join(tmpdir(), 'ol-remembered-'));
  onTestFinished(() => rm(codeDir, { recursive: true }));
  const open = (file = join(codeDir, 'pulled.json')) =>
    new Remembered({ file, codeDir, place: 'here', log: silentLog() });
  const named = (remembered: Remembered) => [FIRST, SECOND].map((one) => remembered.mayName(one));
  return { codeDir, open, named };
}

test('what the file names may be named until another one is written', async () => {
  const { open, named } = await setUp();
  const remembered = open();
  expect(named(remembered)).toEqual([false, false]);
  remembered.save(() => [FIRST]);
  await remembered.settled();
  expect(named(remembered)).toEqual([true, false]);
  remembered.save(() => [SECOND]);
  // What is under way is either of them.
  expect(named(remembered)).toEqual([true, true]);
  await remembered.settled();
  expect(named(remembered)).toEqual([false, true]);
});

test('what an earlier worker has written may be named, wherever that had it from', async () => {
  const { codeDir, open, named } = await setUp();
  const file = join(codeDir, 'pulled.json');
  const earlier = new Remembered({ file, codeDir, place: 'elsewhere', log: silentLog() });
  earlier.save(() => [FIRST]);
  await earlier.settled();
  const remembered = open();
  expect(await remembered.read()).toEqual([]);
  expect(named(remembered)).toEqual([true, false]);
});

test('what could not be written may be there all the same', async () => {
  const { codeDir, open, named } = await setUp();
  const remembered = open(join(codeDir, 'missing', 'pulled.json'));
  remembered.save(() => [FIRST]);
  await remembered.settled();
  expect(named(remembered)).toEqual([true, false]);
});
