import { readdirSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { startWriter } from '../linux/writer.ts';
import { type Setup, setUp } from './setup.ts';

test('while a file is being written the version before it is answered, and the new one once it is closed', async () => {
  const { at, put, pulled } = await setUp();
  await put('f/lambda_func.py', '# old');
  await pulled('f');
  const writer = await startWriter('half', at('f/lambda_func.py'), '# half', ' and half');
  expect(await pulled('f')).toBe('# old');
  expect(await pulled('f')).toBe('# old');
  await writer.finish();
  expect(await pulled('f')).toBe('# half and half');
});

test('a file that is only mapped for writing counts as being written', async () => {
  const { at, put, pulled, registry } = await setUp();
  await put('f/lambda_func.py', '# old');
  const before = await registry.pull('f');
  await put('f/data', 'x'.repeat(4096));
  const writer = await startWriter('map', at('f/data'));
  expect(await registry.pull('f')).toBe(before);
  await writer.finish();
  expect(await pulled('f', 'data')).toBe('x'.repeat(4096));
});

test('a new function that is half-written is waited for', async () => {
  const { at, put, pulled } = await setUp();
  await put('f/helper.py', '');
  const writer = await startWriter('half', at('f/lambda_func.py'), '# half', ' and half');
  const answer = pulled('f');
  await sleep(50);
  await writer.finish();
  expect(await answer).toBe('# half and half');
});

test('a new function whose writer does not end is busy, and names the file', async () => {
  const { at, put, registry } = await setUp();
  await put('f/lambda_func.py', '#');
  await startWriter('half', at('f/data.bin'), 'half', '');
  await expect(registry.pull('f')).rejects.toMatchObject({
    code: 'ERR_CODE_BUSY',
    fields: { name: 'f', path: 'data.bin' },
  });
});

test('one function that is being written does not hold up another', async () => {
  const { at, put, pulled } = await setUp();
  await put('slow/helper.py', '');
  const writer = await startWriter('half', at('slow/lambda_func.py'), '# a', 'b');
  let ended = false;
  const slow = pulled('slow').finally(() => {
    ended = true;
  });
  await put('quick/lambda_func.py', '# quick');
  expect(await pulled('quick')).toBe('# quick');
  expect(ended).toBe(false);
  await writer.finish();
  await slow;
});

/** As many as show that pulls met edits all the time, and not only the first and the last version. */
const VERSIONS = 15;

/** Pulls until so many versions have been seen, however long that takes: each has to be two equal halves. */
async function pullVersions({ registry }: Setup): Promise<void> {
  const versions = new Set<string>();
  while (versions.size < VERSIONS) {
    const code = await registry.pull('f');
    const release = registry.retain(code);
    const lines = (await readFile(join(code.dir, 'lambda_func.py'), 'utf8')).split('\n');
    expect(lines).toHaveLength(3);
    expect(lines[0]).toBe(lines[1]);
    versions.add(code.version);
    release();
    await sleep(1);
  }
}

for (const how of ['rename', 'rewrite']) {
  test(`many edits by ${how} never give a torn file, and leave one copy`, async () => {
    const setup = await setUp();
    await setup.put('f/lambda_func.py', 'first\nfirst\n');
    await setup.registry.pull('f');
    const writer = await startWriter(how, setup.at('f/lambda_func.py'));
    await pullVersions(setup);
    const last = await writer.finish();
    expect((await setup.pulled('f')).slice(0, 6)).toBe(last);
    await setup.registry.close();
    expect(readdirSync(join(setup.codeDir, 'f'))).toHaveLength(1);
  });
}

/** Changes a file of a function on each turn of the event loop, which a reading needs many of. Returns how to stop. */
function keepChanging(path: string): () => void {
  let count = 0;
  let timer = setImmediate(function change() {
    writeFileSync(path, `${count++}`);
    timer = setImmediate(change);
  });
  const stop = () => clearImmediate(timer);
  onTestFinished(stop);
  return stop;
}

test('a function that does not stop changing is answered with the version before, and the newest once it stops', async () => {
  const { at, put, pulled, registry } = await setUp();
  await put('f/lambda_func.py', '#');
  const before = await registry.pull('f');
  const stop = keepChanging(at('f/data'));
  await sleep(20);
  expect(await registry.pull('f')).toBe(before);
  stop();
  await put('f/data', 'last');
  expect(await pulled('f', 'data')).toBe('last');
});

test('a new function that does not stop changing is busy, and there once it stops', async () => {
  const { at, put, pulled, registry } = await setUp();
  await put('f/lambda_func.py', '#');
  const stop = keepChanging(at('f/data'));
  await sleep(20);
  await expect(registry.pull('f')).rejects.toMatchObject({ code: 'ERR_CODE_BUSY' });
  stop();
  expect(await pulled('f')).toBe('#');
});
